// The canonical text of a configuration, its hash, and the names of its enumerations.
#include "config/run_config.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "config/choices.hpp"
#include "core/error.hpp"

namespace pipespec::config {
namespace {

template <class T, std::size_t n>
std::string_view word(const Choice<T> (&choices)[n], T value) {
  const auto found = std::ranges::find(choices, value, &Choice<T>::value);
  expect(found != std::end(choices), "every enumerator has its word");
  return found->word;
}

/// A YAML scalar that reads back as exactly this text: as it is where it is a plain word or path, else in double
/// quotes.
std::string scalar(std::string_view text) {
  const auto is_plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '/' || c == '-';
  };
  const bool begins_plain = !text.empty() && (std::isalpha(static_cast<unsigned char>(text[0])) || text[0] == '/');
  const bool is_null = text == "null" || text == "Null" || text == "NULL";
  if (begins_plain && !is_null && std::ranges::all_of(text, [&](char c) { return is_plain(c) || c == '.'; }))
    return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out += fmt::format("\\{}", c);
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out + '"';
}

std::string sequence(std::span<const std::string> texts) {
  std::vector<std::string> scalars;
  for (const std::string& text : texts) scalars.push_back(scalar(text));
  return fmt::format("[{}]", fmt::join(scalars, ", "));
}

std::string number_or_auto(int value) {
  return value == 0 ? "auto" : fmt::to_string(value);
}

std::string to_yaml(const SyntheticConfig& synthetic) {
  return fmt::format("{{vocabulary: {}, pass_ms: {}, row_ms: {}, agreement: {}, seed: {}, mean_length: {}}}",
                     synthetic.vocabulary, synthetic.pass_ms, synthetic.row_ms, synthetic.agreement, synthetic.seed,
                     synthetic.mean_length);
}

std::string to_yaml(const StageConfig& stage) {
  const std::string lenience = stage.lenience ? fmt::format(", lenience: {}", name(*stage.lenience)) : "";
  if (stage.synthetic)
    return fmt::format("{{name: {}, synthetic: {}{}}}", scalar(stage.name), to_yaml(*stage.synthetic), lenience);
  std::string out = fmt::format("{{name: {}, drafter: {}", scalar(stage.name), name(stage.drafter));
  if (stage.drafter == DrafterKind::prompt_lookup)
    return out + fmt::format(", min_match: {}, max_match: {}, history: {}}}", stage.lookup.min_match,
                             stage.lookup.max_match, stage.lookup.history);
  out += fmt::format(", model: {}", scalar(stage.model));
  if (stage.layers) out += fmt::format(", layers: [{}]", fmt::join(*stage.layers, ", "));
  if (const auto& draft = stage.draft_vocabulary)
    out += fmt::format(", draft_vocabulary: {}", draft->first > 0 ? std::to_string(draft->first) : scalar(draft->file));
  return out + fmt::format(", tensor_parallel: {}, weights: {}, kv_cache: {}, threads: {}, context: {}{}}}",
                           stage.tensor_parallel, name(stage.weights), name(stage.kv_cache),
                           number_or_auto(stage.threads), number_or_auto(stage.context), lenience);
}

std::string to_yaml(const TaskConfig& task) {
  std::string out = fmt::format("{{preset: {}, file: {}", scalar(task.preset), scalar(task.file));
  if (task.samples) out += fmt::format(", samples: {}-{}", task.samples->first, task.samples->last);
  return out + "}";
}

std::string to_yaml(const StepPolicy& policy) {
  if (policy.kind == StepPolicy::Kind::lookahead) return fmt::format("{{lookahead: {}}}", policy.lookahead);
  return std::string(name(policy.kind));
}

std::string to_yaml(const RunConfig& config, const ExperimentConfig& experiment) {
  std::string out = fmt::format("{{strategy: {}, label: {}, stages: {}", name(experiment.strategy),
                                scalar(experiment.label), sequence(stage_names(config, experiment)));
  if (experiment.strategy == Strategy::speculative) out += fmt::format(", lookahead: {}", experiment.lookahead);
  if (experiment.strategy == Strategy::pipespec)
    out += fmt::format(", window: {}, max_ahead: {}, policy: {}", experiment.window, experiment.max_ahead,
                       to_yaml(experiment.policy));
  return out + fmt::format(", sequences_in_flight: {}}}", experiment.sequences_in_flight);
}

/// Everything that decides what is decoded, and how.
std::string measured_part(const RunConfig& config) {
  std::string out =
      fmt::format("name: {}\nseed: {}\nbackend: {}\nstages:\n", scalar(config.name), config.seed, name(config.backend));
  for (const StageConfig& stage : config.stages) out += fmt::format("  - {}\n", to_yaml(stage));
  out += fmt::format("sequences_in_flight: {}\ntasks:\n", config.sequences_in_flight);
  for (const TaskConfig& task : config.tasks) out += fmt::format("  - {}\n", to_yaml(task));
  const GenerationConfig& generation = config.generation;
  const Sampling& sampling = generation.sampling;
  out += fmt::format(
      "generation: {{max_new_tokens: {}, temperature: {}, top_k: {}, top_p: {}, min_p: {}, repetition_penalty: {}, "
      "repetition_window: {}, chat: {}",
      generation.max_new_tokens, sampling.temperature, sampling.top_k, sampling.top_p, sampling.min_p,
      sampling.repetition_penalty, sampling.repetition_window, name(generation.chat));
  if (!generation.stop.empty()) out += fmt::format(", stop: {}", sequence(generation.stop));
  out += "}\nexperiments:\n";
  for (const ExperimentConfig& experiment : config.experiments)
    out += fmt::format("  - {}\n", to_yaml(config, experiment));
  return out;
}

}  // namespace

std::string to_yaml(const RunConfig& config) {
  const LimitsConfig& limits = config.limits;
  const std::string time = limits.time_seconds ? fmt::format("{}s", *limits.time_seconds) : "auto";
  return measured_part(config) + fmt::format("replicas: {}\noutput: {}\nlimits: {{time: {}, stop_before_end: {}s}}\n",
                                             config.replicas, scalar(config.output), time,
                                             limits.stop_before_end_seconds);
}

std::string hash(const RunConfig& config) {
  std::uint64_t state = 0xcbf29ce484222325u;  // FNV-1a, 64 bits
  for (const char c : measured_part(config)) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return fmt::format("{:016x}", state);
}

int most_sequences_in_flight(const RunConfig& config) {
  return std::ranges::max(config.experiments, {}, &ExperimentConfig::sequences_in_flight).sequences_in_flight;
}

std::vector<std::string> stage_names(const RunConfig& config, const ExperimentConfig& experiment) {
  std::vector<std::string> names;
  for (const int stage : experiment.stages) names.push_back(config.stages.at(static_cast<std::size_t>(stage)).name);
  return names;
}

Lenience lenience_at(const RunConfig& config, const ExperimentConfig& experiment, int place) {
  const auto last = static_cast<int>(experiment.stages.size()) - 1;
  if (place == 0 || place == last) return Lenience::strict;
  return config.stages.at(static_cast<std::size_t>(experiment.stages[place])).lenience.value();
}

std::string_view name(Backend value) {
  return word(backend_choices, value);
}
std::string_view name(DrafterKind value) {
  return word(drafter_choices, value);
}
std::string_view name(Weights value) {
  return word(weights_choices, value);
}
std::string_view name(KvCache value) {
  return word(kv_cache_choices, value);
}
std::string_view name(Chat value) {
  return word(chat_choices, value);
}
std::string_view name(Strategy value) {
  return word(strategy_choices, value);
}
std::string_view name(Lenience value) {
  return word(lenience_choices, value);
}
std::string_view name(StepPolicy::Kind value) {
  return value == StepPolicy::Kind::lookahead ? "lookahead" : word(policy_choices, value);
}

}  // namespace pipespec::config
