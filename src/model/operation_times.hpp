/// Where the time of forward passes goes, by operation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/clock.hpp"

namespace pipespec::model {

/// The parts of a pass. `norm` holds the rounding to 8 bits, `reduce` the sums over tensor-parallel ranks.
enum class Operation : std::uint8_t {
  embedding,
  norm,
  qkv,
  rope_and_store,
  attention,
  attention_output,
  gate_and_up,
  swiglu,
  down,
  reduce,
  head,
};

/// In the order of Operation.
inline constexpr std::array<std::string_view, 11> operation_names = {
    "embedding",   "norm",   "qkv",  "rope_and_store", "attention", "attention_output",
    "gate_and_up", "swiglu", "down", "reduce",         "head",
};

/// Seconds spent in each operation, summed over passes.
struct OperationTimes {
  std::array<double, operation_names.size()> seconds{};  ///< in the order of Operation
};

/// Adds the time since the last lap, or since its construction, to an operation. Does nothing without `times`.
class LapTimer {
 public:
  explicit LapTimer(OperationTimes* times) : times_(times), last_(times ? steady_seconds() : 0) {}

  void lap(Operation operation) {
    if (!times_) return;
    const double now = steady_seconds();
    times_->seconds[static_cast<std::size_t>(operation)] += now - last_;
    last_ = now;
  }

 private:
  OperationTimes* times_;
  double last_;
};

}  // namespace pipespec::model
