// What a wrong configuration is answered with: one line that says where, what, why and what to do.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "config/run_config.hpp"
#include "core/error.hpp"

namespace pipespec::config {
namespace {

constexpr std::string_view valid = R"(name: valid
stages:
  - {name: ngram, drafter: prompt_lookup}
  - {name: target, model: models/target.gguf}
tasks:
  - {preset: jsonl, file: prompts.jsonl}
generation: {max_new_tokens: 64}
experiments:
  - {strategy: autoregressive}
  - {strategy: pipespec, window: 16}
limits: {time: auto}
)";

/// The message of the UserError that this configuration ends in.
std::string message_of(std::string_view text, std::vector<std::string> overrides = {}) {
  try {
    parse(text, "run.yaml", overrides);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

std::string replaced(std::string_view from, std::string_view to) {
  std::string text(valid);
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

struct Wrong {
  const char* from;  ///< this part of the valid file
  const char* to;    ///< becomes this
  const char* message;
};

TEST(ConfigMessages, say_where_what_why_and_what_to_do) {
  const Wrong table[] = {
      // keys
      {"window: 16", "windw: 16",
       "run.yaml:10: experiments.1.windw: unknown key (there are strategy, label, stages, lookahead, window, "
       "max_ahead, policy, sequences_in_flight): did you mean window?"},
      {"limits:", "limit:",
       "run.yaml:11: limit: unknown key (there are name, output, seed, backend, models, stages, replicas, "
       "sequences_in_flight, "
       "tasks, "
       "generation, experiments, limits): did you mean limits?"},
      {"limits: {time", "limits: {zzzz",
       "run.yaml:11: limits.zzzz: unknown key (there are time, stop_before_end): use one of these"},
      {"name: valid\n", "", "run.yaml:1: key 'name' is missing (a run is called by its name): add name: ..."},
      {", file: prompts.jsonl", "", "run.yaml:6: tasks.0: key 'file' is missing (it holds the samples): add file: ..."},
      {"model: models/target.gguf", "threads: 1",
       "run.yaml:4: stages.1: key 'model' is missing (a stage without one needs drafter: prompt_lookup): add model: "
       "..."},
      {"limits: {time: auto}", "name: again",
       "run.yaml:11: key 'name' is given twice (first at run.yaml:1): remove one"},
      {"limits: {time: auto}", "[a, b]: 1",
       "run.yaml:11: a key is not a word (it is a list, a map or empty): write key: value"},
      // types
      {"max_new_tokens: 64", "max_new_tokens: many",
       "run.yaml:7: generation.max_new_tokens: 'many' is not a whole number (one from 1 to 16777216 is expected): "
       "correct it"},
      {"max_new_tokens: 64", "max_new_tokens: 6.5",
       "run.yaml:7: generation.max_new_tokens: '6.5' is not a whole number (one from 1 to 16777216 is expected): "
       "correct it"},
      {"max_new_tokens: 64", "max_new_tokens: '64'",
       "run.yaml:7: generation.max_new_tokens: '64' is not a whole number (one from 1 to 16777216 is expected): "
       "correct it"},
      {"max_new_tokens: 64", "max_new_tokens: [64]",
       "run.yaml:7: generation.max_new_tokens: a list (a whole number is expected): write one value"},
      {"max_new_tokens: 64", "max_new_tokens:",
       "run.yaml:7: generation.max_new_tokens: nothing (a whole number is expected): write one value"},
      {"max_new_tokens: 64", "temperature: warm",
       "run.yaml:7: generation.temperature: 'warm' is not a number (something like 0.7 is expected): correct it"},
      {"max_new_tokens: 64", "temperature: nan",
       "run.yaml:7: generation.temperature: 'nan' is not a number (something like 0.7 is expected): correct it"},
      {"generation: {max_new_tokens: 64}", "generation: 64",
       "run.yaml:7: generation: a single value (a map is expected): write {key: value}"},
      {"tasks:\n  - {preset: jsonl, file: prompts.jsonl}", "tasks: {preset: jsonl, file: prompts.jsonl}",
       "run.yaml:5: tasks: a map (a list is expected): write [a, b]"},
      {"- {preset: jsonl, file: prompts.jsonl}", "[]",
       "run.yaml:5: tasks: the list is empty (at least one entry is expected): add one"},
      {"file: prompts.jsonl", "file: ''",
       "run.yaml:6: tasks.0.file: empty text (something is expected here): fill it in"},
      {"file: prompts.jsonl", "file: \"a\\0b\"",
       "run.yaml:6: tasks.0.file: a NUL character (text is expected): remove it"},
      {"name: valid", "name: no/slash",
       "run.yaml:1: name: 'no/slash' is not a name (letters, digits, '_', '-' and '.' make one): rename it"},
      {"time: auto", "time: 90",
       "run.yaml:11: limits.time: '90' is not a duration (a number and d, h, m or s, at most a year): write, say, 90s "
       "or 1h30m"},
      {"strategy: autoregressive", "strategy: autoregresive",
       "run.yaml:9: experiments.0.strategy: unknown value 'autoregresive' (there are autoregressive, speculative, "
       "pipespec): "
       "did you mean autoregressive?"},
      {"strategy: autoregressive", "strategy: beam",
       "run.yaml:9: experiments.0.strategy: unknown value 'beam' (there are autoregressive, speculative, pipespec): "
       "use one of "
       "these"},
      // ranges
      {"max_new_tokens: 64", "max_new_tokens: 0",
       "run.yaml:7: generation.max_new_tokens: 0 is out of range (1 to 16777216): choose another"},
      {"window: 16", "window: 1025",
       "run.yaml:10: experiments.1.window: 1025 is out of range (1 to 1024): choose another"},
      {"name: valid", "name: valid\nseed: -1",
       "run.yaml:2: seed: '-1' is not a whole number (one from 0 to 2^64-1 is expected): correct it"},
      {"max_new_tokens: 64", "top_p: 1.5",
       "run.yaml:7: generation.top_p: 1.5 is out of range (more than 0, at most 1): choose another"},
      {"time: auto", "time: 60s",
       "run.yaml:11: limits.time: 60s is not more than stop_before_end, 120s (no sample would be begun): raise it"},
      {"file: prompts.jsonl", "file: f, samples: 5",
       "run.yaml:6: tasks.0.samples: '5' is not a range of samples (both ends are included, counted from 0): write, "
       "say, 0-99"},
      {"file: prompts.jsonl", "file: f, samples: 9-5",
       "run.yaml:6: tasks.0.samples: the range 9-5 ends before it begins (no sample is left): write 5-9"},
      {"drafter: prompt_lookup", "drafter: prompt_lookup, min_match: 4, max_match: 3",
       "run.yaml:3: stages.0.max_match: 3 is less than min_match, 4 (no match could be found): raise it"},
      {"model: models/target.gguf", "model: m, layers: [3, 2]",
       "run.yaml:4: stages.1.layers.1: layer 2 after layer 3 (layers keep the model's order, each once): sort the "
       "list"},
      {"model: models/target.gguf", "model: m, layers: [3, 3]",
       "run.yaml:4: stages.1.layers.1: layer 3 after layer 3 (layers keep the model's order, each once): sort the "
       "list"},
      {"model: models/target.gguf", "model: m, layers: []",
       "run.yaml:4: stages.1.layers: the list is empty (at least one entry is expected): add one"},
      {"model: models/target.gguf", "model: m, draft_vocabulary: 0",
       "run.yaml:4: stages.1.draft_vocabulary: 0 is out of range (1 to 16777216): choose another"},
      {"model: models/target.gguf", "model: m, draft_vocabulary: 1.5",
       "run.yaml:4: stages.1.draft_vocabulary: '1.5' is not a whole number (one from 1 to 16777216 is expected): "
       "correct it"},
      {"model: models/target.gguf", "model: m, draft_vocabulary: [1, 2]",
       "run.yaml:4: stages.1.draft_vocabulary: a list (text is expected): write one value"},
      {"model: models/target.gguf", "model: m, draft_vocabulary: 4096",
       "run.yaml:4: stages.1.draft_vocabulary: does not fit here (the last stage is the target, which decides among "
       "all tokens): remove it"},
      {"drafter: prompt_lookup", "drafter: prompt_lookup, draft_vocabulary: 4096",
       "run.yaml:3: stages.0.draft_vocabulary: does not fit here (it belongs to a stage with a model): remove it"},
      {"model: models/target.gguf", "model: m, lenience: trust",
       "run.yaml:4: stages.1.lenience: does not fit here (the last stage is the target, whose word is final): remove "
       "it"},
      {"drafter: prompt_lookup", "drafter: prompt_lookup, lenience: trust",
       "run.yaml:3: stages.0.lenience: does not fit here (a stage without a model checks no drafts): remove it"},
      {"- {name: ngram, drafter: prompt_lookup}\n",
       "- {name: ngram, drafter: prompt_lookup}\n  - {name: draft, model: m, lenience: mild}\n",
       "run.yaml:4: stages.1.lenience: unknown value 'mild' (there are strict, trust, adaptive): use one of these"},
      {"- {name: ngram, drafter: prompt_lookup}\n", "- {name: draft, model: m, lenience: trust}\n",
       "run.yaml:3: stages.0.lenience: does not fit here (the first stage has no drafts to check): remove it"},
      // what this version does not have
      {"max_new_tokens: 64", "temperature: -0.7",
       "run.yaml:7: generation.temperature: -0.7 is out of range (0, or from 0.01 to 100): choose another"},
      {"max_new_tokens: 64", "min_p: 2",
       "run.yaml:7: generation.min_p: 2 is out of range (from 0 to 1): choose another"},
      {"max_new_tokens: 64", "repetition_penalty: 0",
       "run.yaml:7: generation.repetition_penalty: 0 is out of range (from 0.01 to 100): choose another"},
      {"name: valid", "name: valid\nreplicas: 0",
       "run.yaml:2: replicas: 0 is out of range (1 to 4096): choose another"},
      {"name: valid", "name: valid\nsequences_in_flight: 0",
       "run.yaml:2: sequences_in_flight: 0 is out of range (1 to 1024): choose another"},
      {"name: valid", "name: valid\nmodels: [a, b]", "run.yaml:2: models: a list (text is expected): write one value"},
      {"name: valid", "name: valid\nbackend: cuda",
       "run.yaml:2: backend: cuda is not available in this version (host is): write host"},
      // stages and chains
      {"name: target", "name: ngram", "run.yaml:4: stages.1.name: 'ngram' is taken (stages.0 has it): choose another"},
      {"name: target, model: models/target.gguf", "name: target, drafter: prompt_lookup",
       "run.yaml:4: stages.1: the last stage has no model (it is the target, which decides every token): end the list "
       "with a "
       "model"},
      {"drafter: prompt_lookup", "drafter: prompt_lookup, threads: 2",
       "run.yaml:3: stages.0.threads: does not fit here (it belongs to a stage with a model): remove it"},
      {"model: models/target.gguf", "model: m, min_match: 2",
       "run.yaml:4: stages.1.min_match: does not fit here (it belongs to a stage with drafter: prompt_lookup): remove "
       "it"},
      {"- {name: ngram, drafter: prompt_lookup}\n",
       "- {name: draft, model: m}\n  - {name: ngram, drafter: prompt_lookup}\n",
       "run.yaml:11: experiments.1: 'ngram' is not the first of its chain (prompt_lookup has no model to check drafts "
       "with): "
       "list `stages` without it"},
      {"  - {name: ngram, drafter: prompt_lookup}\n", "",
       "run.yaml:9: experiments.1: no drafter (pipespec decoding needs a stage below the target): add a stage, or use "
       "autoregressive"},
      {"window: 16", "stages: [ngrm, target]",
       "run.yaml:10: experiments.1.stages.0: no stage 'ngrm' (there are ngram, target): did you mean ngram?"},
      {"window: 16", "stages: [target, ngram]",
       "run.yaml:10: experiments.1.stages.1: 'ngram' after 'target' (a chain keeps the order of stages, each once): "
       "reorder it"},
      {"window: 16", "stages: [ngram]",
       "run.yaml:10: experiments.1.stages: the chain ends with 'ngram' (it must end with the target, 'target'): add "
       "target"},
      {"strategy: autoregressive", "strategy: autoregressive, stages: [ngram, target]",
       "run.yaml:9: experiments.0.stages: 2 stages (autoregressive decoding is the target alone): remove the key"},
      {"window: 16", "policy: eagr",
       "run.yaml:10: experiments.1.policy: unknown value 'eagr' (there are eager, adaptive): did you mean eager?"},
      {"window: 16", "policy: lookahead",
       "run.yaml:10: experiments.1.policy: lookahead without a number (a step waits for one draft less): write, say, "
       "{lookahead: 4}"},
      {"window: 16", "policy: {lookahead: 0}",
       "run.yaml:10: experiments.1.policy.lookahead: 0 is out of range (1 to 1024): choose another"},
      {"strategy: autoregressive", "strategy: autoregressive, policy: eager",
       "run.yaml:9: experiments.0.policy: does not fit here (it belongs to strategy: pipespec): remove it"},
      {"strategy: autoregressive", "strategy: autoregressive, window: 4",
       "run.yaml:9: experiments.0.window: does not fit here (it belongs to strategy: pipespec): remove it"},
      {"window: 16", "lookahead: 4",
       "run.yaml:10: experiments.1.lookahead: does not fit here (it belongs to strategy: speculative): remove it"},
      {"strategy: autoregressive", "strategy: pipespec",
       "run.yaml:10: experiments.1: same label as experiments.0, 'pipespec ngram+target window 16 ahead 64 adaptive' "
       "(results are told "
       "apart by it): change the experiment or its label"},
      {"window: 16", "label: autoregressive",
       "run.yaml:10: experiments.1: same label as experiments.0, 'autoregressive' (results are told apart by it): "
       "change the "
       "experiment or its label"},
      {"window: 16", "label: \"two\\nlines\"",
       "run.yaml:10: experiments.1.label: 'two?lines' is no label (one line of at most 60 bytes is expected): shorten "
       "it"},
      // synthetic stages
      {"model: models/target.gguf", "synthetic: {agreement: 0.5}",
       "run.yaml:4: stages.1.synthetic: key 'pass_ms' is missing (it says how long a forward pass takes): add pass_ms: "
       "..."},
      {"model: models/target.gguf", "synthetic: {pass_ms: 5, agreement: 1.5}",
       "run.yaml:4: stages.1.synthetic.agreement: 1.5 is out of range (from 0 to 1): choose another"},
      {"model: models/target.gguf", "synthetic: {pass_ms: 5, mean_length: 0.5}",
       "run.yaml:4: stages.1.synthetic.mean_length: 0.5 is out of range (0, or from 1 to 16777216): choose another"},
      {"model: models/target.gguf", "synthetic: {pass_ms: 5}, model: m",
       "run.yaml:4: stages.1.model: does not fit here (it belongs to a stage with a model): remove it"},
      {"drafter: prompt_lookup", "drafter: prompt_lookup, synthetic: {pass_ms: 5}",
       "run.yaml:3: stages.0.synthetic: does not fit here (it belongs to a stage that stands for a model): remove it"},
      {"- {name: target, model: models/target.gguf}",
       "- {name: draft, model: m}\n  - {name: target, synthetic: {pass_ms: 5}}",
       "run.yaml:4: stages.1: a model under a synthetic target (their tokens have nothing in common): make both "
       "synthetic"},
      {"- {name: target, model: models/target.gguf}",
       "- {name: draft, synthetic: {pass_ms: 1, vocabulary: 50}}\n  - {name: target, synthetic: {pass_ms: 5}}",
       "run.yaml:4: stages.1.synthetic: vocabulary 50 under a target with 1000 (they speak of the same tokens): write "
       "1000"},
      // not YAML at all
      {"- {strategy: autoregressive}", "- {strategy: autoregressive",
       "run.yaml:10: not valid YAML (end of map flow not found): check indentation, brackets and quotes"},
      {"  - {preset", "\t- {preset", "run.yaml:6: not valid YAML (a tab in the indentation): indent with spaces"},
      {"limits: {time: auto}", "limits: *nothing",
       "run.yaml:11: not valid YAML (the referenced anchor is not defined): check indentation, brackets and quotes"},
      {"limits:", "---\nlimits:", "run.yaml: more than one YAML document (one is expected): remove the line '---'"},
      {"limits: {time: auto}", "limits: {<<: 3}",
       "run.yaml:11: '<<' merges something that is no map (a map is expected): write <<: *anchor"},
  };
  for (const Wrong& wrong : table) EXPECT_EQ(message_of(replaced(wrong.from, wrong.to)), wrong.message) << wrong.to;
}

TEST(ConfigMessages, name_what_is_wrong_with_a_whole_document) {
  EXPECT_EQ(message_of(""), "run.yaml: the file is empty (a run configuration is expected): see configs/");
  EXPECT_EQ(message_of("# only a comment\n"),
            "run.yaml: the file is empty (a run configuration is expected): see configs/");
  EXPECT_EQ(message_of("\n- a\n"),
            "run.yaml:2: the file is not a map (keys like name and stages are expected): see configs/");
}

TEST(ConfigMessages, blame_the_override_that_is_wrong) {
  const std::pair<const char*, const char*> table[] = {
      {"seed",
       "--set seed: not an assignment (key.path=value is expected): write, say, --set generation.max_new_tokens=64"},
      {"=1",
       "--set =1: not an assignment (key.path=value is expected): write, say, --set generation.max_new_tokens=64"},
      {"stages.1.threads=many",
       "--set stages.1.threads: 'many' is not a whole number (one from 1 to 1024 is expected): correct it"},
      {"stages.1={name: t, model: m, thread: 1}",
       "--set stages.1: stages.1.thread: unknown key (there are name, drafter, synthetic, model, layers, "
       "draft_vocabulary, "
       "tensor_parallel, weights, kv_cache, "
       "threads, context, lenience, min_match, max_match, history): did you mean threads?"},
      {"stages.2.threads=1",
       "--set stages.2.threads: no entry '2' (the list has 2, counted from 0): use a number below 2"},
      {"stages.x.threads=1",
       "--set stages.x.threads: no entry 'x' (the list has 2, counted from 0): use a number below 2"},
      {"name.first=1",
       "--set name.first: nothing can be set at 'first' (it lies inside a single value): shorten the path"},
      {"stages..name=x",
       "--set stages..name: an empty step in the path (two dots in a row, or one at an end): write a.b.c"},
      {"sede=1",
       "--set sede: unknown key (there are name, output, seed, backend, models, stages, replicas, sequences_in_flight, "
       "tasks, "
       "generation, experiments, limits): did you mean seed?"},
      {"seed=", "--set seed: nothing (a whole number is expected): write one value"},
      {"seed=[1",
       "--set seed: not valid YAML (end of sequence flow not found): check indentation, brackets and quotes"},
  };
  for (const auto& [assignment, message] : table) EXPECT_EQ(message_of(valid, {assignment}), message) << assignment;
}

TEST(ConfigMessages, an_alias_that_contains_itself_is_refused) {
  const std::string message = message_of("name: &a [*a]\n");
  EXPECT_THAT(message, testing::HasSubstr("alias that contains itself"));
}

TEST(ConfigMessages, aliases_that_multiply_are_refused) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    text += fmt::format("a{}: &a{} [", i, i);
    for (int k = 0; k < 10; ++k) text += fmt::format("*a{}, ", i - 1);
    text += "]\n";
  }
  EXPECT_THAT(message_of(text), testing::HasSubstr("aliases repeat too much"));
}

TEST(ConfigMessages, a_file_that_cannot_be_read_is_named) {
  const auto load_message = [](const std::string& path) {
    try {
      load(path);
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_EQ(load_message("no/such.yaml"),
            "no/such.yaml: no such file (a run configuration is expected): check the path");
  EXPECT_EQ(load_message("/dev/zero"), "/dev/zero: not a file (a run configuration is expected): name a YAML file");
  const std::string big = testing::TempDir() + "/big.yaml";
  std::ofstream(big) << "x";
  std::filesystem::resize_file(big, 2 << 20);
  EXPECT_EQ(load_message(big),
            big + ": larger than 1048576 bytes (a run configuration is small): is this the right file?");
}

TEST(ConfigMessages, every_mutation_of_a_valid_file_is_accepted_or_refused_in_one_line) {
  std::mt19937 random(7);
  const auto pick = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  constexpr std::string_view alphabet = "{}[]:,-&*!|>'\"%@`#~?\n\t \\0aZ<=.\x01\xff\xc3";
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text(valid);
    for (std::size_t edits = 1 + pick(4); edits > 0; --edits) {
      const std::size_t at = pick(text.size());
      switch (pick(4)) {
        case 0:
          text[at] = alphabet[pick(alphabet.size())];
          break;
        case 1:
          text.insert(at, 1, alphabet[pick(alphabet.size())]);
          break;
        case 2:
          text.erase(at, 1 + pick(8));
          break;
        default:
          text.insert(at, text.substr(pick(text.size()), 1 + pick(30)));
          break;
      }
    }
    try {
      const RunConfig config = parse(text, "run.yaml", {});
      ASSERT_EQ(to_yaml(parse(to_yaml(config), "run.yaml", {})), to_yaml(config)) << text;
    } catch (const UserError& error) {
      ++refused;
      const std::string message = error.what();
      ASSERT_EQ(message.find('\n'), std::string::npos) << message;
      ASSERT_TRUE(message.starts_with("run.yaml")) << message;
      ASSERT_LT(message.size(), 400u) << message;
    }
  }
  EXPECT_GT(refused, 10'000);
}

}  // namespace
}  // namespace pipespec::config
