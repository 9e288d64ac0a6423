/// Residual connections.
#pragma once

#include "device/device.hpp"
#include "ops/matrix_view.hpp"

namespace pipespec::ops {

/// y += x, both [rows, width].
void add(device::Stream& stream, MatrixView<const float> x, MatrixView<float> y);

}  // namespace pipespec::ops
