/// Gated linear unit with SiLU (Shazeer 2020).
#pragma once

#include "device/device.hpp"
#include "ops/matrix_view.hpp"

namespace pipespec::ops {

/// out = gate · sigmoid(gate) · up, element by element; all [rows, width]. out may be gate or up.
void swiglu(device::Stream& stream, MatrixView<const float> gate, MatrixView<const float> up, MatrixView<float> out);

}  // namespace pipespec::ops
