/// The most likely token and how likely it is.
#pragma once

#include <span>

#include "core/types.hpp"
#include "device/device.hpp"
#include "ops/matrix_view.hpp"

namespace pipespec::ops {

/// The largest of each row of logits [rows, columns] and its column, as argmax() finds it, and its share in the row's
/// softmax. The logits are finite or −∞, one at least finite. best, probabilities: [rows].
void most_likely(device::Stream& stream, MatrixView<const float> logits, std::span<Best> best,
                 std::span<float> probabilities);

}  // namespace pipespec::ops
