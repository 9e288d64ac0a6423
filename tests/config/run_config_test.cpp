// What a valid configuration becomes: defaults, labels, overrides, canonical text, hash.
#include "config/run_config.hpp"

#include <gmock/gmock.h>

#include <fstream>

#include "core/error.hpp"

namespace pipespec::config {
namespace {

using testing::ElementsAre;

constexpr std::string_view smallest = R"(name: smallest
stages: [{name: target, model: models/target.gguf}]
tasks: [{preset: jsonl, file: prompts.jsonl}]
experiments: [{strategy: autoregressive}]
)";

constexpr std::string_view chain = R"(name: chain
output: out/chain
seed: 18446744073709551615
backend: host
stages:
  - {name: ngram, drafter: prompt_lookup, min_match: 3, max_match: 7, history: 5}
  - {name: draft, model: models/draft.gguf, layers: [0, 1, 28], draft_vocabulary: 4096, weights: bf16, threads: 2, context: 512}
  - {name: target, model: models/target.gguf, tensor_parallel: 2, weights: f32, kv_cache: f16}
tasks:
  - {preset: humaneval_instruct, file: datasets/h.jsonl, samples: 3-7}
  - {preset: jsonl, file: "my prompts.jsonl"}
generation: {max_new_tokens: 64, temperature: 0.7, top_k: 50, top_p: 0.9, min_p: 0.05, repetition_penalty: 1.1, repetition_window: 32, chat: llama-3, stop: ["\n\nQ:", "</s>"]}
experiments:
  - {strategy: autoregressive}
  - {strategy: speculative, lookahead: 4}
  - {strategy: pipespec, window: 12, max_ahead: 32, policy: {lookahead: 3}}
  - {strategy: pipespec, stages: [ngram, target], policy: eager}
  - {strategy: pipespec, stages: [draft, target], label: "mine: #1"}
limits: {time: 1h30m, stop_before_end: 90s}
)";

RunConfig parse_text(std::string_view text, std::vector<std::string> overrides = {}) {
  return parse(text, "run.yaml", overrides);
}

TEST(RunConfig, fills_in_every_default) {
  const RunConfig config = parse_text(smallest);
  EXPECT_EQ(config.output, "results/smallest");
  EXPECT_EQ(config.seed, 0u);
  EXPECT_EQ(config.backend, Backend::host);
  ASSERT_EQ(config.stages.size(), 1u);
  const StageConfig& stage = config.stages[0];
  EXPECT_EQ(stage.drafter, DrafterKind::model);
  EXPECT_FALSE(stage.layers);
  EXPECT_EQ(stage.tensor_parallel, 1);
  EXPECT_EQ(stage.weights, Weights::native);
  EXPECT_EQ(stage.kv_cache, KvCache::automatic);
  EXPECT_EQ(stage.threads, 0);
  EXPECT_EQ(stage.context, 0);
  EXPECT_FALSE(config.tasks[0].samples);
  EXPECT_EQ(config.generation.max_new_tokens, 512);
  EXPECT_TRUE(config.generation.sampling.is_greedy());
  EXPECT_EQ(config.generation.sampling.top_p, 1);
  EXPECT_EQ(config.generation.chat, Chat::automatic);
  EXPECT_TRUE(config.generation.stop.empty());
  EXPECT_EQ(config.experiments[0].label, "autoregressive");
  EXPECT_FALSE(config.limits.time_seconds);
  EXPECT_EQ(config.limits.stop_before_end_seconds, 120);
}

TEST(RunConfig, every_format_of_weights_is_read_and_written_by_its_name) {
  for (const auto& [word, weights] : {std::pair<std::string, Weights>{"native", Weights::native},
                                      {"bf16", Weights::bf16},
                                      {"f32", Weights::f32},
                                      {"int8", Weights::int8},
                                      {"int4", Weights::int4}}) {
    const RunConfig config = parse_text(chain, {"stages.2.weights=" + word});
    EXPECT_EQ(config.stages[2].weights, weights);
    EXPECT_THAT(to_yaml(config), ::testing::HasSubstr("weights: " + word));
  }
}

TEST(RunConfig, reads_every_key) {
  const RunConfig config = parse_text(chain);
  EXPECT_EQ(config.name, "chain");
  EXPECT_EQ(config.output, "out/chain");
  EXPECT_EQ(config.seed, 18446744073709551615u);
  const Sampling& sampling = config.generation.sampling;
  EXPECT_EQ(sampling.temperature, 0.7);
  EXPECT_EQ(sampling.top_k, 50);
  EXPECT_EQ(sampling.top_p, 0.9);
  EXPECT_EQ(sampling.min_p, 0.05);
  EXPECT_EQ(sampling.repetition_penalty, 1.1);
  EXPECT_EQ(sampling.repetition_window, 32);
  EXPECT_EQ(sampling.seed, config.seed) << "one seed for the run";
  EXPECT_EQ(config.stages[0].drafter, DrafterKind::prompt_lookup);
  EXPECT_EQ(config.stages[0].lookup.min_match, 3);
  EXPECT_EQ(config.stages[0].lookup.max_match, 7);
  EXPECT_EQ(config.stages[0].lookup.history, 5);
  EXPECT_EQ(config.stages[1].model, "models/draft.gguf");
  EXPECT_THAT(*config.stages[1].layers, ElementsAre(0, 1, 28));
  EXPECT_EQ(config.stages[1].draft_vocabulary->first, 4096);
  EXPECT_EQ(config.stages[1].weights, Weights::bf16);
  EXPECT_EQ(config.stages[1].threads, 2);
  EXPECT_EQ(config.stages[1].context, 512);
  EXPECT_EQ(config.stages[2].tensor_parallel, 2);
  EXPECT_EQ(config.stages[2].weights, Weights::f32);
  EXPECT_EQ(config.tasks[0].preset, "humaneval_instruct");
  EXPECT_EQ(config.tasks[0].samples->first, 3);
  EXPECT_EQ(config.tasks[0].samples->last, 7);
  EXPECT_EQ(config.tasks[1].file, "my prompts.jsonl");
  EXPECT_EQ(config.generation.max_new_tokens, 64);
  EXPECT_THAT(config.generation.stop, ElementsAre("\n\nQ:", "</s>"));
  EXPECT_EQ(config.experiments[1].lookahead, 4);
  EXPECT_EQ(config.experiments[2].window, 12);
  EXPECT_EQ(config.experiments[2].max_ahead, 32);
  EXPECT_EQ(config.experiments[2].policy.kind, StepPolicy::Kind::lookahead);
  EXPECT_EQ(config.experiments[2].policy.lookahead, 3);
  EXPECT_EQ(config.experiments[3].policy.kind, StepPolicy::Kind::eager);
  EXPECT_EQ(config.experiments[4].policy.kind, StepPolicy::Kind::adaptive);
  EXPECT_EQ(config.limits.time_seconds, 5400);
  EXPECT_EQ(config.limits.stop_before_end_seconds, 90);
}

TEST(RunConfig, a_draft_vocabulary_may_be_a_file) {
  const RunConfig config = parse_text(chain, {"stages.1.draft_vocabulary=lists/4096.json"});
  EXPECT_EQ(config.stages[1].draft_vocabulary->first, 0);
  EXPECT_EQ(config.stages[1].draft_vocabulary->file, "lists/4096.json");
  EXPECT_EQ(to_yaml(parse_text(to_yaml(config))), to_yaml(config));
}

TEST(RunConfig, relative_models_count_from_the_folder_of_the_models) {
  const std::string text(smallest);
  const auto model = [](const std::string& yaml, const std::vector<std::string>& overrides = {}) {
    return parse(yaml, "run.yaml", overrides).stages[0].model;
  };
  EXPECT_EQ(model(text + "models: all\n"), "all/models/target.gguf");
  EXPECT_EQ(model(text + "models: all\n", {"models=/data"}), "/data/models/target.gguf");
  EXPECT_EQ(model(text + "models: all\n", {"stages.0.model=/data/target"}), "/data/target");
  EXPECT_EQ(model(text), "models/target.gguf");
}

constexpr std::string_view synthetic = R"(name: synthetic
stages:
  - {name: draft, synthetic: {vocabulary: 500, pass_ms: 0.5, row_ms: 0.25, agreement: 0.9, seed: 7}}
  - {name: target, synthetic: {vocabulary: 500, pass_ms: 5, mean_length: 100}}
tasks: [{preset: jsonl, file: prompts.jsonl}]
experiments: [{strategy: pipespec}]
)";

TEST(RunConfig, a_synthetic_stage_stands_where_a_model_would) {
  const RunConfig config = parse_text(synthetic);
  const SyntheticConfig& draft = config.stages[0].synthetic.value();
  EXPECT_EQ(draft.vocabulary, 500);
  EXPECT_EQ(draft.pass_ms, 0.5);
  EXPECT_EQ(draft.row_ms, 0.25);
  EXPECT_EQ(draft.agreement, 0.9);
  EXPECT_EQ(draft.seed, 7U);
  EXPECT_EQ(config.stages[1].synthetic->mean_length, 100);
  EXPECT_EQ(config.stages[0].drafter, DrafterKind::model);
  EXPECT_FALSE(config.stages[0].has_weights());
  EXPECT_TRUE(parse_text(chain).stages[1].has_weights());
  EXPECT_FALSE(parse_text(chain).stages[0].has_weights());
}

TEST(RunConfig, a_stage_between_others_is_lenient_as_it_says_and_adaptive_by_itself) {
  const RunConfig config = parse_text(chain);
  EXPECT_FALSE(config.stages[0].lenience);
  EXPECT_EQ(config.stages[1].lenience, Lenience::adaptive);
  EXPECT_FALSE(config.stages[2].lenience);
  EXPECT_EQ(parse_text(chain, {"stages.1.lenience=strict"}).stages[1].lenience, Lenience::strict);
  const RunConfig trusting = parse_text(chain, {"stages.1.lenience=trust"});
  EXPECT_THAT(to_yaml(trusting), ::testing::HasSubstr("lenience: trust"));
  EXPECT_NE(hash(trusting), hash(config));
}

TEST(RunConfig, the_ends_of_an_experiments_chain_are_strict) {
  const RunConfig config = parse_text(chain, {"stages.1.lenience=trust"});
  const ExperimentConfig &whole = config.experiments[2], &drafted = config.experiments[4];
  EXPECT_EQ(lenience_at(config, whole, 0), Lenience::strict);
  EXPECT_EQ(lenience_at(config, whole, 1), Lenience::trust);
  EXPECT_EQ(lenience_at(config, whole, 2), Lenience::strict);
  EXPECT_EQ(lenience_at(config, drafted, 0), Lenience::strict) << "there the stage is the first";
}

TEST(RunConfig, remembers_where_each_entry_stands) {
  const RunConfig config = parse_text(chain);
  EXPECT_EQ(config.stages[1].where, "run.yaml:7: stages.1");
  EXPECT_EQ(config.tasks[1].where, "run.yaml:11: tasks.1");
  EXPECT_EQ(config.experiments[3].where, "run.yaml:17: experiments.3");
}

TEST(RunConfig, an_experiment_runs_its_own_chain_or_all_stages) {
  const RunConfig config = parse_text(chain);
  EXPECT_THAT(config.experiments[0].stages, ElementsAre(2));
  EXPECT_THAT(config.experiments[2].stages, ElementsAre(0, 1, 2));
  EXPECT_THAT(config.experiments[3].stages, ElementsAre(0, 2));
  EXPECT_THAT(stage_names(config, config.experiments[4]), ElementsAre("draft", "target"));
}

TEST(RunConfig, labels_are_as_long_as_it_takes_to_tell_experiments_apart) {
  const RunConfig config = parse_text(chain, {"experiments.4={strategy: pipespec, window: 8, max_ahead: 32}"});
  std::vector<std::string> labels;
  for (const ExperimentConfig& experiment : config.experiments) labels.push_back(experiment.label);
  EXPECT_THAT(labels, ElementsAre("autoregressive", "speculative", "pipespec ngram+draft+target window 12 ahead 32",
                                  "pipespec ngram+target", "pipespec ngram+draft+target window 8 ahead 32"));
}

TEST(RunConfig, labels_tell_policies_apart) {
  const RunConfig config = parse_text(R"(
name: policies
stages: [{name: ngram, drafter: prompt_lookup}, {name: t, model: m}]
tasks: [{preset: jsonl, file: f}]
experiments:
  - {strategy: pipespec}
  - {strategy: pipespec, policy: eager}
  - {strategy: pipespec, policy: {lookahead: 4}}
)");
  EXPECT_EQ(config.experiments[0].label, "pipespec ngram+t window 16 ahead 64 adaptive");
  EXPECT_EQ(config.experiments[1].label, "pipespec ngram+t window 16 ahead 64 eager");
  EXPECT_EQ(config.experiments[2].label, "pipespec ngram+t window 16 ahead 64 lookahead 4");
}

TEST(RunConfig, labels_fit_a_configuration_that_is_read_again) {
  const std::string text = R"(
name: long
stages: [{name: first_of_long_names, drafter: prompt_lookup}, {name: second_of_long_names, model: m}]
tasks: [{preset: jsonl, file: f}]
experiments: [{strategy: pipespec, window: 6}, {strategy: pipespec, window: 8}]
)";
  const RunConfig config = parse_text(text);
  EXPECT_EQ(config.experiments[1].label, "pipespec #2");
  EXPECT_EQ(parse_text(to_yaml(config)).experiments[1].label, "pipespec #2");
  EXPECT_THROW(parse_text(text, {"experiments.1.window=6"}), UserError) << "the same as the first";
}

TEST(RunConfig, several_lookup_drafters_serve_different_chains) {
  const RunConfig config = parse_text(R"(
name: two
stages: [{name: short, drafter: prompt_lookup}, {name: long, drafter: prompt_lookup, min_match: 4}, {name: t, model: m}]
tasks: [{preset: jsonl, file: f}]
experiments: [{strategy: pipespec, stages: [short, t]}, {strategy: pipespec, stages: [long, t]}]
)");
  EXPECT_EQ(config.experiments[1].label, "pipespec long+t");
}

TEST(RunConfig, a_single_stop_string_needs_no_list) {
  EXPECT_THAT(parse_text(smallest, {"generation.stop=END"}).generation.stop, ElementsAre("END"));
}

TEST(RunConfig, min_match_above_the_default_raises_max_match) {
  const RunConfig config = parse_text(chain, {"stages.0={name: ngram, drafter: prompt_lookup, min_match: 12}"});
  EXPECT_EQ(config.stages[0].lookup.max_match, 12);
}

TEST(RunConfig, anchors_and_merge_keys_are_resolved) {
  const RunConfig config = parse_text(R"(
name: merged
stages:
  - &draft {name: draft, model: m, threads: 3, context: 99}
  - {<<: *draft, name: target, threads: 1}
tasks: [{preset: jsonl, file: f}]
experiments: [{strategy: pipespec}]
)");
  EXPECT_EQ(config.stages[1].name, "target");
  EXPECT_EQ(config.stages[1].model, "m");
  EXPECT_EQ(config.stages[1].threads, 1);
  EXPECT_EQ(config.stages[1].context, 99);
}

TEST(RunConfig, an_experiment_has_as_many_sequences_in_flight_as_the_run_unless_it_says_otherwise) {
  const RunConfig config = parse_text(smallest, {"sequences_in_flight=4",
                                                 "experiments=[{strategy: autoregressive}, {strategy: autoregressive, "
                                                 "sequences_in_flight: 16}]"});
  EXPECT_EQ(config.experiments[0].sequences_in_flight, 4);
  EXPECT_EQ(config.experiments[1].sequences_in_flight, 16);
  EXPECT_EQ(config.experiments[1].label, "autoregressive in flight 16");
  EXPECT_EQ(most_sequences_in_flight(config), 16);
}

TEST(RunConfig, overrides_replace_values_and_make_sections) {
  const RunConfig config =
      parse_text(smallest, {"stages.0.threads=3", "limits.time=10m", "generation={max_new_tokens: 7}", "name=renamed",
                            "stages.0.layers=[1, 2]"});
  EXPECT_EQ(config.stages[0].threads, 3);
  EXPECT_EQ(config.limits.time_seconds, 600);
  EXPECT_EQ(config.generation.max_new_tokens, 7);
  EXPECT_EQ(config.output, "results/renamed");
  EXPECT_THAT(*config.stages[0].layers, ElementsAre(1, 2));
}

TEST(RunConfig, the_last_of_two_overrides_counts) {
  EXPECT_EQ(parse_text(smallest, {"seed=1", "seed=2"}).seed, 2u);
}

TEST(RunConfig, the_canonical_text_shows_every_default) {
  EXPECT_EQ(to_yaml(parse_text(smallest)), R"(name: smallest
seed: 0
backend: host
stages:
  - {name: target, drafter: model, model: models/target.gguf, tensor_parallel: 1, weights: native, kv_cache: auto, threads: auto, context: auto}
sequences_in_flight: 1
tasks:
  - {preset: jsonl, file: prompts.jsonl}
generation: {max_new_tokens: 512, temperature: 0, top_k: 0, top_p: 1, min_p: 0, repetition_penalty: 1, repetition_window: 64, chat: auto}
experiments:
  - {strategy: autoregressive, label: autoregressive, stages: [target], sequences_in_flight: 1}
replicas: 1
output: results/smallest
limits: {time: auto, stop_before_end: 120s}
)");
}

TEST(RunConfig, the_canonical_text_reads_back_as_itself) {
  for (const std::string_view text : {smallest, chain, synthetic}) {
    const std::string canonical = to_yaml(parse_text(text));
    EXPECT_EQ(to_yaml(parse_text(canonical)), canonical);
  }
}

TEST(RunConfig, any_text_survives_the_canonical_form) {
  for (const std::string_view value :
       {"null",     "~",    "007", "a: b", "- x",   "\"quoted\\\"", "tab\\tand\\nnewline",
        "naïve 文", "#",    "'",   "true", "",      "<<",           "*x",
        "&x",       "!tag", "%",   "@",    "a # b", " lead",        "\\x01\\x7f"}) {
    if (value.empty()) continue;
    const std::string assignment =
        fmt::format("generation.stop=[\"{}\"]", value == "\"quoted\\\"" ? "\\\"q\\\\" : value);
    const RunConfig config = parse_text(smallest, {assignment});
    EXPECT_EQ(parse_text(to_yaml(config)).generation.stop, config.generation.stop) << assignment;
  }
}

TEST(RunConfig, durations_survive_the_canonical_form) {
  for (const char* time : {"121s", "1.5h", "2d", "1h2m3.456s", "130.0001s"}) {
    const RunConfig config = parse_text(smallest, {fmt::format("limits.time={}", time)});
    EXPECT_EQ(parse_text(to_yaml(config)).limits.time_seconds, config.limits.time_seconds) << time;
  }
}

TEST(RunConfigHash, is_the_same_for_the_same_measurement) {
  const std::string hash_of_chain = hash(parse_text(chain));
  EXPECT_EQ(hash_of_chain.size(), 16u);
  EXPECT_EQ(hash(parse_text(to_yaml(parse_text(chain)))), hash_of_chain);
  EXPECT_EQ(hash(parse_text(chain, {"limits.time=9h"})), hash_of_chain);
  EXPECT_EQ(hash(parse_text(chain, {"output=elsewhere"})), hash_of_chain);
  EXPECT_EQ(hash(parse_text(chain, {"replicas=3"})), hash_of_chain);
}

TEST(RunConfigHash, differs_with_anything_that_is_measured) {
  const std::string hash_of_chain = hash(parse_text(chain));
  for (const char* assignment :
       {"seed=1", "stages.1.threads=1", "stages.2.weights=native", "stages.1.layers=[0]", "stages.0.max_match=8",
        "tasks.0.samples=3-8", "tasks.1.file=other", "generation.max_new_tokens=65", "generation.stop=x",
        "experiments.1.lookahead=5", "experiments.2.window=11", "experiments.3.stages=[draft, target]", "name=other"})
    EXPECT_NE(hash(parse_text(chain, {assignment})), hash_of_chain) << assignment;
}

TEST(RunConfigFile, is_read_from_disk_and_named_as_given) {
  const std::string path = testing::TempDir() + "/run_config_test.yaml";
  std::ofstream(path) << smallest;
  EXPECT_EQ(load(path).name, "smallest");
  EXPECT_EQ(load(path).stages[0].where, path + ":2: stages.0");
}

}  // namespace
}  // namespace pipespec::config
