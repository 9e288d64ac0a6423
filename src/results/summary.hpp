/// The table at the end of a run. All times are of decoding, first token to last, without prefill.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "results/results.hpp"

namespace pipespec::results {

/// The first place where an output is not that of autoregressive decoding.
struct Difference {
  SampleKey sample;
  std::string id;
  std::int64_t position = 0;  ///< index of the first differing token of the output
};

/// One experiment in numbers. The first sample of an experiment on each replica (in order of time: caches and clocks
/// are cold) counts for `tokens`, `samples` and `identical`, but not for times, unless there are no others.
struct ExperimentSummary {
  std::string label;
  std::vector<std::string> chain;  ///< names of the stages
  std::int64_t samples = 0;
  std::int64_t tokens = 0;                  ///< committed
  std::optional<double> ms_per_token;       ///< time in [first_token, end] of a sample or more / sum(tokens - 1)
  std::optional<double> tokens_per_second;  ///< the inverse
  std::optional<double> speedup_total;      ///< autoregressive / this: total time over the prompts both have completed
  std::optional<double> speedup_median;     ///< median over the same prompts of the ratio of times per token
  std::optional<double> acceptance_length;  ///< tokens the target appended in decoding passes / its decoding passes
  std::int64_t compared = 0;                ///< samples that autoregressive decoding has completed, too
  std::int64_t identical = 0;               ///< of those, with the same tokens
  std::optional<Difference> first_difference;
};

/// One summary an experiment of the configuration, in its order.
std::vector<ExperimentSummary> summarise(const Results& results);

/// The table, at most 100 columns wide, with a line for what was left out and one for each first difference.
std::string format_table(const Results& results);

}  // namespace pipespec::results
