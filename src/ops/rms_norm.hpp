/// Root mean square normalisation (Zhang and Sennrich 2019).
#pragma once

#include <span>

#include "device/device.hpp"
#include "ops/matrix_view.hpp"

namespace pipespec::ops {

/// y = weight · x / √(mean(x²) + epsilon), row by row. x, y [rows, width], weight [width]; y may be x.
void rms_norm(device::Stream& stream, MatrixView<const float> x, std::span<const float> weight, float epsilon,
              MatrixView<float> y);

}  // namespace pipespec::ops
