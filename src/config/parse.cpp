// From the YAML tree to the checked structs: one function a section, and then what must hold between sections.
#include <fmt/ranges.h>

#include "config/choices.hpp"
#include "config/labels.hpp"
#include "config/number.hpp"
#include "config/reader.hpp"
#include "config/run_config.hpp"
#include "config/yaml_tree.hpp"

namespace pipespec::config {
namespace {

constexpr int max_positions = 1 << 24;
constexpr int max_ranks = 1 << 12;
constexpr int max_rows = 1 << 10;
constexpr int max_sequences = 1 << 10;

int integer(const Reader& reader, int least, int most) {
  return static_cast<int>(reader.integer(least, most));
}

/// Sets `target` where the key is given.
void read_integer(const Reader& map, std::string_view key, int least, int most, int& target) {
  if (const auto value = map.find(key)) target = integer(*value, least, most);
}

/// The same for a number that `is_allowed`; `range` says which are.
void read_number(const Reader& map, std::string_view key, bool (*is_allowed)(double), std::string_view range,
                 double& target) {
  const auto value = map.find(key);
  if (!value) return;
  if (!is_allowed(value->number())) value->fail("{} is out of range ({}): choose another", value->number(), range);
  target = value->number();
}

/// The same for a whole number that may also be `auto`, which is 0.
void read_integer_or_auto(const Reader& map, std::string_view key, int least, int most, int& target) {
  const auto value = map.find(key);
  if (value) target = value->is_word("auto") || value->is_word("0") ? 0 : integer(*value, least, most);
}

/// Words and numbers that a later version will take are refused by name, not as mistakes.
void refuse_unavailable(const Reader& reader, std::initializer_list<std::string_view> words, std::string_view instead) {
  for (const std::string_view word : words)
    if (reader.is_word(word))
      reader.fail("{} is not available in this version ({} is): write {}", word, instead, instead);
}

// --- stages
// -----------------------------------------------------------------------------------------------------------

using Keys = std::vector<std::string_view>;

const Keys keys_of_models = {"model",   "layers",   "draft_vocabulary", "tensor_parallel",
                             "weights", "kv_cache", "threads",          "context"};
const Keys keys_of_lookup = {"min_match", "max_match", "history"};

void refuse_keys(const Reader& stage, const Keys& keys, std::string_view owner) {
  for (const std::string_view key : keys)
    if (const auto value = stage.find(key)) value->fail("does not fit here (it belongs to {}): remove it", owner);
}

PromptLookupConfig read_lookup(const Reader& stage) {
  refuse_keys(stage, keys_of_models, "a stage with a model");
  constexpr int longest = 64;
  PromptLookupConfig lookup;
  read_integer(stage, "min_match", 1, longest, lookup.min_match);
  lookup.max_match = std::max(lookup.max_match, lookup.min_match);
  read_integer(stage, "max_match", 1, longest, lookup.max_match);
  read_integer(stage, "history", 0, max_positions, lookup.history);
  if (lookup.max_match < lookup.min_match)
    stage.at("max_match", "")
        .fail("{} is less than min_match, {} (no match could be found): raise it", lookup.max_match, lookup.min_match);
  return lookup;
}

std::vector<int> read_layers(const Reader& list) {
  constexpr int most = 1 << 12;
  std::vector<int> layers;
  for (const Reader& item : list.items()) {
    const int layer = integer(item, 0, most);
    if (!layers.empty() && layer <= layers.back())
      item.fail("layer {} after layer {} (layers keep the model's order, each once): sort the list", layer,
                layers.back());
    layers.push_back(layer);
  }
  return layers;
}

DraftVocabulary read_draft_vocabulary(const Reader& reader) {
  const std::string given = reader.text();
  if (parse_number<double>(given)) return {.first = integer(reader, 1, max_positions)};
  return {.file = given};
}

SyntheticConfig read_synthetic(const Reader& reader) {
  reader.require_keys({"vocabulary", "pass_ms", "row_ms", "agreement", "seed", "mean_length"});
  constexpr int least_vocabulary = 4, most_vocabulary = 1 << 20;
  const auto is_time = [](double ms) { return ms >= 0 && ms <= 60000; };
  SyntheticConfig synthetic;
  read_integer(reader, "vocabulary", least_vocabulary, most_vocabulary, synthetic.vocabulary);
  reader.at("pass_ms", "it says how long a forward pass takes");
  read_number(reader, "pass_ms", is_time, "from 0 to 60000", synthetic.pass_ms);
  read_number(reader, "row_ms", is_time, "from 0 to 60000", synthetic.row_ms);
  read_number(
      reader, "agreement", [](double a) { return a >= 0 && a <= 1; }, "from 0 to 1", synthetic.agreement);
  if (const auto seed = reader.find("seed")) synthetic.seed = seed->unsigned_integer();
  read_number(
      reader, "mean_length", [](double n) { return n == 0 || (n >= 1 && n <= max_positions); },
      "0, or from 1 to 16777216", synthetic.mean_length);
  return synthetic;
}

/// `models` is the folder that a relative path of a model counts from; empty: the working directory.
StageConfig read_stage(const Reader& reader, const std::filesystem::path& models) {
  reader.require_keys({"name", "drafter", "synthetic", "model", "layers", "draft_vocabulary", "tensor_parallel",
                       "weights", "kv_cache", "threads", "context", "lenience", "min_match", "max_match", "history"});
  StageConfig stage;
  stage.where = reader.where();
  stage.name = reader.at("name", "a stage is called by its name").word();
  if (const auto drafter = reader.find("drafter")) stage.drafter = drafter->choice(drafter_choices);
  if (stage.drafter == DrafterKind::prompt_lookup) {
    refuse_keys(reader, {"synthetic"}, "a stage that stands for a model");
    stage.lookup = read_lookup(reader);
    return stage;
  }
  refuse_keys(reader, keys_of_lookup, "a stage with drafter: prompt_lookup");
  if (const auto synthetic = reader.find("synthetic")) {
    refuse_keys(reader, keys_of_models, "a stage with a model");
    stage.synthetic = read_synthetic(*synthetic);
    return stage;
  }
  stage.model = models / reader.at("model", "a stage without one needs drafter: prompt_lookup").text();
  if (const auto layers = reader.find("layers")) stage.layers = read_layers(*layers);
  if (const auto draft = reader.find("draft_vocabulary")) stage.draft_vocabulary = read_draft_vocabulary(*draft);
  read_integer(reader, "tensor_parallel", 1, max_ranks, stage.tensor_parallel);
  if (const auto weights = reader.find("weights")) stage.weights = weights->choice(weights_choices);
  if (const auto kv_cache = reader.find("kv_cache")) stage.kv_cache = kv_cache->choice(kv_cache_choices);
  read_integer_or_auto(reader, "threads", 1, max_rows, stage.threads);
  read_integer_or_auto(reader, "context", 2, max_positions, stage.context);
  return stage;
}

/// Lenient are the stages that check another's drafts and whose own are checked.
void read_lenience(const std::vector<Reader>& items, std::vector<StageConfig>& stages) {
  for (std::size_t s = 0; s < stages.size(); ++s) {
    const auto lenience = items[s].find("lenience");
    const bool is_lookup = stages[s].drafter == DrafterKind::prompt_lookup;
    if (s > 0 && s + 1 < stages.size() && !is_lookup) {
      stages[s].lenience = lenience ? lenience->choice(lenience_choices) : Lenience::adaptive;
    } else if (lenience) {
      lenience->fail("does not fit here ({}): remove it", s + 1 == stages.size()
                                                              ? "the last stage is the target, whose word is final"
                                                          : is_lookup ? "a stage without a model checks no drafts"
                                                                      : "the first stage has no drafts to check");
    }
  }
}

/// The vocabulary of a synthetic target is no other model's, so it is drafted for by stages like itself.
void check_synthetic_target(const std::vector<Reader>& items, const std::vector<StageConfig>& stages) {
  const auto& target = stages.back().synthetic;
  if (!target) return;
  for (std::size_t s = 0; s < stages.size(); ++s) {
    if (stages[s].has_weights())
      items[s].fail("a model under a synthetic target (their tokens have nothing in common): make both synthetic");
    if (stages[s].synthetic && stages[s].synthetic->vocabulary != target->vocabulary)
      items[s]
          .at("synthetic", "")
          .fail("vocabulary {} under a target with {} (they speak of the same tokens): write {}",
                stages[s].synthetic->vocabulary, target->vocabulary, target->vocabulary);
  }
}

std::vector<StageConfig> read_stages(const Reader& list, const std::filesystem::path& models) {
  std::vector<StageConfig> stages;
  const std::vector<Reader> items = list.items();
  for (const Reader& item : items) {
    stages.push_back(read_stage(item, models));
    const auto twin = std::ranges::find(stages, stages.back().name, &StageConfig::name);
    if (twin != stages.end() - 1)
      item.at("name", "").fail("'{}' is taken (stages.{} has it): choose another", twin->name, twin - stages.begin());
  }
  if (stages.back().drafter != DrafterKind::model)
    items.back().fail(
        "the last stage has no model (it is the target, which decides every token): end the list with a model");
  if (const auto draft = items.back().find("draft_vocabulary"))
    draft->fail("does not fit here (the last stage is the target, which decides among all tokens): remove it");
  read_lenience(items, stages);
  check_synthetic_target(items, stages);
  return stages;
}

// --- tasks, generation, limits
// ----------------------------------------------------------------------------------------

SampleRange read_range(const Reader& reader) {
  const std::string given = reader.text();
  const auto dash = given.find('-');
  const std::string_view text = given;
  const auto first = parse_number<std::int64_t>(text.substr(0, dash));
  const auto last = dash == std::string::npos ? first : parse_number<std::int64_t>(text.substr(dash + 1));
  if (dash == std::string::npos || !first || !last || *last < 0)
    reader.fail("'{}' is not a range of samples (both ends are included, counted from 0): write, say, 0-99",
                printable(given));
  const SampleRange range{*first, *last};
  if (range.last < range.first)
    reader.fail("the range {} ends before it begins (no sample is left): write {}-{}", given, range.last, range.first);
  return range;
}

TaskConfig read_task(const Reader& reader) {
  reader.require_keys({"preset", "file", "samples"});
  TaskConfig task;
  task.where = reader.where();
  task.preset = reader.at("preset", "it says how a prompt is made from a line of the file").word();
  task.file = reader.at("file", "it holds the samples").text();
  if (const auto samples = reader.find("samples")) task.samples = read_range(*samples);
  return task;
}

Sampling read_sampling(const Reader& generation) {
  Sampling sampling;
  // Within these bounds logits stay finite in f32.
  read_number(
      generation, "temperature", [](double t) { return t == 0 || (t >= 0.01 && t <= 100); }, "0, or from 0.01 to 100",
      sampling.temperature);
  read_number(
      generation, "top_p", [](double p) { return p > 0 && p <= 1; }, "more than 0, at most 1", sampling.top_p);
  read_number(
      generation, "min_p", [](double p) { return p >= 0 && p <= 1; }, "from 0 to 1", sampling.min_p);
  read_number(
      generation, "repetition_penalty", [](double r) { return r >= 0.01 && r <= 100; }, "from 0.01 to 100",
      sampling.repetition_penalty);
  read_integer(generation, "top_k", 0, max_positions, sampling.top_k);
  read_integer(generation, "repetition_window", 1, max_positions, sampling.repetition_window);
  return sampling;
}

GenerationConfig read_generation(const Reader& reader) {
  reader.require_keys({"max_new_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty",
                       "repetition_window", "chat", "stop"});
  GenerationConfig generation;
  read_integer(reader, "max_new_tokens", 1, max_positions, generation.max_new_tokens);
  generation.sampling = read_sampling(reader);
  if (const auto chat = reader.find("chat")) generation.chat = chat->choice(chat_choices);
  if (const auto stop = reader.find("stop")) {
    if (!stop->is_list())
      generation.stop = {stop->text()};
    else
      for (const Reader& item : stop->items()) generation.stop.push_back(item.text());
  }
  return generation;
}

LimitsConfig read_limits(const Reader& reader) {
  reader.require_keys({"time", "stop_before_end"});
  LimitsConfig limits;
  if (const auto stop = reader.find("stop_before_end")) limits.stop_before_end_seconds = stop->duration();
  if (const auto time = reader.find("time"); time && !time->is_word("auto")) {
    limits.time_seconds = time->duration();
    if (*limits.time_seconds <= limits.stop_before_end_seconds)
      time->fail("{}s is not more than stop_before_end, {}s (no sample would be begun): raise it", *limits.time_seconds,
                 limits.stop_before_end_seconds);
  }
  return limits;
}

// --- experiments
// ------------------------------------------------------------------------------------------------------

int find_stage(const Reader& reader, const std::vector<StageConfig>& stages) {
  const std::string given = reader.text();
  const auto found = std::ranges::find(stages, given, &StageConfig::name);
  if (found != stages.end()) return static_cast<int>(found - stages.begin());
  std::vector<std::string_view> names;
  for (const StageConfig& stage : stages) names.push_back(stage.name);
  reader.fail("no stage '{}' (there are {}){}", printable(given), fmt::join(names, ", "), did_you_mean(given, names));
}

std::vector<int> read_chain(const Reader& experiment, Strategy strategy, const std::vector<StageConfig>& stages) {
  const int target = static_cast<int>(stages.size()) - 1;
  std::vector<int> chain;
  const auto list = experiment.find("stages");
  if (list) {
    for (const Reader& item : list->items()) {
      const int stage = find_stage(item, stages);
      if (!chain.empty() && stage <= chain.back())
        item.fail("'{}' after '{}' (a chain keeps the order of stages, each once): reorder it", stages[stage].name,
                  stages[chain.back()].name);
      chain.push_back(stage);
    }
    if (chain.back() != target)
      list->fail("the chain ends with '{}' (it must end with the target, '{}'): add {}", stages[chain.back()].name,
                 stages[target].name, stages[target].name);
    if (strategy == Strategy::autoregressive && chain.size() > 1)
      list->fail("{} stages (autoregressive decoding is the target alone): remove the key", chain.size());
  } else if (strategy == Strategy::autoregressive) {
    chain = {target};
  } else {
    for (int stage = 0; stage <= target; ++stage) chain.push_back(stage);
  }
  const Reader& blamed = list ? *list : experiment;
  if (strategy != Strategy::autoregressive && chain.size() < 2)
    blamed.fail("no drafter ({} decoding needs a stage below the target): add a stage, or use autoregressive",
                name(strategy));
  for (std::size_t i = 1; i < chain.size(); ++i)
    if (stages[chain[i]].drafter == DrafterKind::prompt_lookup)
      blamed.fail(
          "'{}' is not the first of its chain (prompt_lookup has no model to check drafts with): list `stages` without "
          "it",
          stages[chain[i]].name);
  return chain;
}

/// A word, or `{lookahead: n}`.
StepPolicy read_policy(const Reader& reader) {
  if (reader.is_word("lookahead"))
    reader.fail("lookahead without a number (a step waits for one draft less): write, say, {{lookahead: 4}}");
  if (!reader.is_map()) return {.kind = reader.choice(policy_choices)};
  reader.require_keys({"lookahead"});
  return {.kind = StepPolicy::Kind::lookahead,
          .lookahead = integer(reader.at("lookahead", "the policy that has a number"), 1, max_rows)};
}

/// `in_flight`: sequences, where the experiment does not say.
ExperimentConfig read_experiment(const Reader& reader, const std::vector<StageConfig>& stages, int in_flight) {
  reader.require_keys(
      {"strategy", "label", "stages", "lookahead", "window", "max_ahead", "policy", "sequences_in_flight"});
  ExperimentConfig experiment;
  experiment.sequences_in_flight = in_flight;
  experiment.where = reader.where();
  experiment.strategy = reader.at("strategy", "it says how to decode").choice(strategy_choices);
  if (experiment.strategy != Strategy::speculative) refuse_keys(reader, {"lookahead"}, "strategy: speculative");
  if (experiment.strategy != Strategy::pipespec)
    refuse_keys(reader, {"window", "max_ahead", "policy"}, "strategy: pipespec");
  experiment.stages = read_chain(reader, experiment.strategy, stages);
  read_integer(reader, "lookahead", 1, max_rows, experiment.lookahead);
  read_integer(reader, "window", 1, max_rows, experiment.window);
  read_integer(reader, "max_ahead", 1, max_positions, experiment.max_ahead);
  if (const auto policy = reader.find("policy")) experiment.policy = read_policy(*policy);
  read_integer(reader, "sequences_in_flight", 1, max_sequences, experiment.sequences_in_flight);
  if (const auto label = reader.find("label")) {
    experiment.label = label->text();
    if (experiment.label.size() > longest_label || experiment.label != printable(experiment.label))
      label->fail("'{}' is no label (one line of at most {} bytes is expected): shorten it",
                  printable(experiment.label), longest_label);
  }
  return experiment;
}

std::vector<ExperimentConfig> read_experiments(const Reader& list, const std::vector<StageConfig>& stages,
                                               int in_flight) {
  std::vector<ExperimentConfig> experiments;
  const std::vector<Reader> items = list.items();
  for (const Reader& item : items) experiments.push_back(read_experiment(item, stages, in_flight));
  fill_in_labels(experiments, stages);
  for (std::size_t i = 0; i < experiments.size(); ++i) {
    const auto twin = std::ranges::find(experiments, experiments[i].label, &ExperimentConfig::label);
    if (twin != experiments.begin() + static_cast<std::ptrdiff_t>(i))
      items[i].fail(
          "same label as experiments.{}, '{}' (results are told apart by it): change the experiment or its label",
          twin - experiments.begin(), twin->label);
  }
  return experiments;
}

// --- the whole
// --------------------------------------------------------------------------------------------------------

RunConfig read_run(const Reader& root) {
  root.require_keys({"name", "output", "seed", "backend", "models", "stages", "replicas", "sequences_in_flight",
                     "tasks", "generation", "experiments", "limits"});
  RunConfig config;
  config.name = root.at("name", "a run is called by its name").word();
  const auto output = root.find("output");
  config.output = output ? output->text() : fmt::format("results/{}", config.name);
  if (const auto seed = root.find("seed")) config.seed = seed->unsigned_integer();
  if (const auto backend = root.find("backend")) {
    refuse_unavailable(*backend, {"cuda"}, "host");
    config.backend = backend->choice(backend_choices);
  }
  const auto models = root.find("models");
  config.stages = read_stages(root.at("stages", "the models, from the cheapest drafter to the target"),
                              models ? models->text() : "");
  read_integer(root, "replicas", 1, max_ranks, config.replicas);
  read_integer(root, "sequences_in_flight", 1, max_sequences, config.sequences_in_flight);
  for (const Reader& task : root.at("tasks", "what to decode").items()) config.tasks.push_back(read_task(task));
  if (const auto generation = root.find("generation")) config.generation = read_generation(*generation);
  config.generation.sampling.seed = config.seed;
  config.experiments = read_experiments(root.at("experiments", "which strategies to compare"), config.stages,
                                        config.sequences_in_flight);
  if (const auto limits = root.find("limits")) config.limits = read_limits(*limits);
  return config;
}

}  // namespace

RunConfig parse(std::string_view text, std::string_view file, std::span<const std::string> overrides) {
  Value root = read_yaml(text, file);
  for (const std::string& assignment : overrides) apply_override(root, assignment);
  return read_run(Reader(root));
}

RunConfig load(const std::filesystem::path& file, std::span<const std::string> overrides) {
  return parse(read_text(file, "a run configuration"), file.string(), overrides);
}

}  // namespace pipespec::config
