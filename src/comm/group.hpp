/// The ranks that share one stage (tensor parallelism), as the model sees them: a few collectives and no transport.
#pragma once

#include <span>

#include "core/types.hpp"

namespace pipespec::comm {

using pipespec::Best;

/// Collectives among the ranks of one stage. Every rank calls the same functions in the same order with equal extents.
/// Results are the same bits on every rank and do not depend on timing: sums run in rank order.
class Group {
 public:
  virtual ~Group() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// values[i] = sum over ranks of values[i], added in rank order.
  virtual void sum_in_rank_order(std::span<float> values) = 0;

  /// best[i] = the best over all ranks (larger value; ties: lower token).
  virtual void best_of_all(std::span<Best> best) = 0;

  /// Collects every rank's `part` in rank order into `whole`; parts may differ in length, and
  /// whole.size() is the sum of the lengths.
  virtual void gather(std::span<const float> part, std::span<float> whole) = 0;
};

}  // namespace pipespec::comm
