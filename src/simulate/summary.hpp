/// A simulated run in numbers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "simulate/pipeline.hpp"

namespace pipespec::simulate {

/// Of decoding: the time in which some sequence is between its first token and its last. Numbers without a measure (no
/// sequence has a second token) are 0.
struct Summary {
  std::int64_t tokens = 0;        ///< committed
  double ms_per_token = 0;        ///< of one sequence: sum(last - first token) / sum(tokens - 1)
  double tokens_per_second = 0;   ///< of all sequences in flight: sum(tokens - 1) / time of decoding
  double tokens_per_pass = 0;     ///< appended by the target's decoding passes, a pass
  double messages_per_token = 0;  ///< sent by all stages, prefill included, / tokens
  std::vector<double> busy;       ///< [stage] part of the time of decoding in which the stage computes
};

Summary summarise(std::span<const Sample> samples);

}  // namespace pipespec::simulate
