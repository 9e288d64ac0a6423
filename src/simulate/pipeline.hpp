/// A pipeline in virtual time: the stage protocol with models that take a set time, each on processors of its own, so
/// that none abstains for the target's sake.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/lenience.hpp"
#include "core/step_policy.hpp"
#include "core/trace.hpp"
#include "core/types.hpp"
#include "decoding/drafter.hpp"
#include "decoding/stage.hpp"
#include "decoding/work.hpp"
#include "simulate/step_times.hpp"

namespace pipespec::simulate {

/// What a model says: the next token after each of the pass's last `outputs` rows, and how sure it is of them or
/// nothing of that. The passes of a sequence come as a KV cache sees them: each goes on from `begin`, which may be less
/// than the last end.
using Compute = std::function<decoding::Guess(const decoding::Pass& pass)>;

/// A stage's computation and its time.
struct StageModel {
  StepTimes times;
  Compute compute = nullptr;             ///< of a stage with a model
  decoding::Drafter* drafter = nullptr;  ///< of stage 0 without one
  Lenience lenience = Lenience::strict;
  bool is_shared = false;  ///< by several ranks, which run every pass to its end
};

/// How long messages are on their way: `seconds` ± up to `jitter`, uniformly. Messages of one stage to another keep
/// their order.
struct Latency {
  double seconds = 0;
  double jitter = 0;  ///< ≤ seconds
};

struct Chain {
  std::vector<StageModel> stages;  ///< the target last
  decoding::StageOptions options;  ///< of every stage; `index`, `stages`, `has_model` and `lenience` are filled in
  StepPolicy policy;               ///< when stages step
  Latency latency;
  int sequences_in_flight = 1;
};

struct Prompt {
  std::vector<Token> tokens;
  Position max_length = 0;  ///< prompt and output together
};

/// A sequence the target has decoded to its end.
struct Sample {
  std::vector<Token> tokens;         ///< the output, end token included
  std::vector<double> commit_times;  ///< of every token, in seconds from the beginning of the run
  double start = 0;
  std::vector<std::vector<StepRecord>> steps;  ///< [stage] what each stage did for it until it ended there
  std::int64_t messages = 0;                   ///< sent about it, by all stages
};

/// Decodes the prompts in order, as pipeline/stage_worker.hpp would: a stage that is free takes what has arrived and
/// begins the next pass; what arrives during a pass counts before its result does, and a void pass is given up.
/// Computing is free of charge but for the times of the steps, and so is looking for messages. Every prompt is computed
/// whole, also where it begins like another. Deterministic.
std::vector<Sample> run(const Chain& chain, std::span<const Prompt> prompts);

}  // namespace pipespec::simulate
