/// The configuration of a run: what the YAML file says, checked, with every default filled in.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/lenience.hpp"
#include "core/sampling.hpp"
#include "core/step_policy.hpp"

namespace pipespec::config {

enum class Backend : std::uint8_t { host };
enum class DrafterKind : std::uint8_t { model, prompt_lookup };
enum class Weights : std::uint8_t { native, bf16, f32, int8, int4 };
enum class KvCache : std::uint8_t { automatic, int8, f16, f32 };
/// The form of conversations; automatic: as the model's own template asks for.
enum class Chat : std::uint8_t { automatic, chatml, llama2, llama3 };
enum class Strategy : std::uint8_t { autoregressive, speculative, pipespec };

// Every struct's `where` is the prefix of a message about it, "run.yaml:7: stages.1": later checks, which need the
// model or the data set, write reject("{}.layers: …", stage.where).

/// A drafter without a model: the continuation of an earlier occurrence of the sequence's last tokens.
struct PromptLookupConfig {
  int min_match = 1;   ///< shortest run of last tokens that is looked up, ≥ 1
  int max_match = 10;  ///< longest, ≥ min_match
  int history = 0;     ///< tokens of earlier samples' outputs that are looked up in as well; 0: none
};

/// The tokens that a drafter can predict: the first of the vocabulary, or those that a file lists. The logits of the
/// others are not computed, which in a small model are most of its work.
struct DraftVocabulary {
  int first = 0;          ///< 0: the file's
  std::string file = {};  ///< path, as given: relative to the working directory; empty: none
};

/// What stands where a model would: tokens made by hashing, in a set time (core/synthetic_text.hpp).
struct SyntheticConfig {
  int vocabulary = 1000;
  double pass_ms = 0;      ///< of a forward pass,
  double row_ms = 0;       ///< and of each of its rows besides
  double agreement = 0.8;  ///< chance that its next token is that of the next synthetic stage
  std::uint64_t seed = 0;
  double mean_length = 0;  ///< of the target's answers, in tokens; 0: they go on to the limit
};

struct StageConfig {
  std::string name;  ///< unique
  DrafterKind drafter = DrafterKind::model;
  std::optional<SyntheticConfig> synthetic;  ///< in place of a model
  std::string model;                         ///< path, relative to the working directory; empty for a stage without one
  std::optional<std::vector<int>> layers;  ///< the model is cut to these layers, strictly ascending; none: all of them
  std::optional<DraftVocabulary> draft_vocabulary;  ///< never of the target; none: all tokens
  int tensor_parallel = 1;                          ///< ranks of the stage
  Weights weights = Weights::native;
  KvCache kv_cache = KvCache::automatic;  ///< model::kv_type_beside() the weights
  int threads = 0;                        ///< per rank; 0: as many as the machine has to give
  int context = 0;                        ///< positions of the KV cache; 0: what the samples need, at most the model's
  std::optional<Lenience> lenience;       ///< of a stage that stands for a model and is neither first nor last
  PromptLookupConfig lookup;              ///< of a prompt_lookup drafter
  std::string where;

  bool has_weights() const { return drafter == DrafterKind::model && !synthetic; }
};

/// Both ends included, counted from 0.
struct SampleRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
};

struct TaskConfig {
  std::string preset;                  ///< a name the tasks layer knows
  std::string file;                    ///< path, as given: relative to the working directory
  std::optional<SampleRange> samples;  ///< none: all
  std::string where;
};

struct GenerationConfig {
  int max_new_tokens = 512;
  Sampling sampling;  ///< with RunConfig::seed
  Chat chat = Chat::automatic;
  std::vector<std::string> stop;  ///< the text ends at the first of these strings
};

/// One strategy on one chain. All experiments of a run share the loaded models.
struct ExperimentConfig {
  Strategy strategy = Strategy::pipespec;
  std::string label;        ///< unique; made from strategy and chain where the file gives none
  std::vector<int> stages;  ///< the chain: ascending indices into RunConfig::stages, the target last; the target alone
                            ///< if autoregressive
  int lookahead = 8;        ///< speculative: tokens proposed in a round
  int window = 16;          ///< pipespec: rows of a verify pass, at most
  int max_ahead = 64;       ///< pipespec: how far a view may run ahead of the stage above
  StepPolicy policy;        ///< pipespec: when a stage steps
  int sequences_in_flight = 1;
  std::string where;
};

struct LimitsConfig {
  std::optional<double>
      time_seconds;  ///< of the whole job; none (`auto`): what the batch system grants, if there is one
  double stop_before_end_seconds = 120.0;  ///< no new sample is begun when less than this is left
};

struct RunConfig {
  std::string name;
  std::string output;  ///< directory, as given; default results/<name>
  std::uint64_t seed = 0;
  Backend backend = Backend::host;
  std::vector<StageConfig> stages;  ///< from the cheapest drafter to the target
  int replicas = 1;                 ///< of the whole pipeline, side by side, fed from one queue
  int sequences_in_flight = 1;      ///< decoded at once by a pipeline, where an experiment does not say otherwise
  std::vector<TaskConfig> tasks;
  GenerationConfig generation;
  std::vector<ExperimentConfig> experiments;
  LimitsConfig limits;
};

/// Reads and checks a YAML file. Each override is `a.b=c`: a path of keys and list indices, and a YAML value that takes
/// the place of what the file says there. UserError, one line `file:line: key.path: problem (why): suggestion`, on
/// anything wrong; the place is `--set key.path` where an override is to blame.
RunConfig load(const std::filesystem::path& file, std::span<const std::string> overrides = {});

/// The same from a text; `file` names it in messages.
RunConfig parse(std::string_view text, std::string_view file, std::span<const std::string> overrides = {});

/// The whole configuration as YAML, in one canonical order with every default written out. parse(to_yaml(c)) is c
/// again.
std::string to_yaml(const RunConfig& config);

/// Sixteen hex digits, equal for two configurations that produce the same samples under the same measurement: a hash of
/// to_yaml without `replicas`, `output` and `limits`, so that a run may be moved, or continued by more or fewer
/// replicas or under another time limit.
std::string hash(const RunConfig& config);

/// Of all experiments, so that the models have room for each.
int most_sequences_in_flight(const RunConfig& config);

/// "ngram", "draft", "target": the names of an experiment's chain.
std::vector<std::string> stage_names(const RunConfig& config, const ExperimentConfig& experiment);

/// Who wins at a place of an experiment's chain: the ends are strict.
Lenience lenience_at(const RunConfig& config, const ExperimentConfig& experiment, int place);

std::string_view name(Backend value);
std::string_view name(DrafterKind value);
std::string_view name(Weights value);
std::string_view name(KvCache value);
std::string_view name(Chat value);
std::string_view name(Strategy value);
std::string_view name(Lenience value);
std::string_view name(StepPolicy::Kind value);

}  // namespace pipespec::config
