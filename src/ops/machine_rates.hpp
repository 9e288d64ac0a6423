/// What the machine can do, to hold measurements against.
#pragma once

#include "device/device.hpp"

namespace pipespec::ops {

/// Bytes per second, in GB/s, at which the stream's threads read memory much larger than the caches (what a pass does
/// with the weights): the best of several sweeps.
double measure_read_bandwidth(device::Stream& stream);

/// The same for a copy loop, bytes read plus bytes written.
double measure_copy_bandwidth(device::Stream& stream);

/// GFLOP/s (two a multiply-add) of the stream's threads in independent f32 fused multiply-adds from registers.
double measure_dot_rate(device::Stream& stream);

}  // namespace pipespec::ops
