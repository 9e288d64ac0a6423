/// Loops over the rows of a small operation.
#pragma once

#include <cstdint>

#include "device/device.hpp"

namespace pipespec::ops {

/// Calls body(begin, end) for parts of the rows [0, rows) of `elements` elements each, on the stream's threads if there
/// is enough to share. Few elements stay with the caller: to hand a loop out takes a microsecond, and what other
/// threads have written must come back from their caches.
template <class Body>
void for_rows(device::Stream& stream, std::int64_t rows, std::int64_t elements, const Body& body) {
  constexpr std::int64_t worth_sharing = 1 << 12;
  if (rows * elements < worth_sharing) {
    if (rows > 0) body(std::int64_t{0}, rows);
  } else {
    stream.pool().parallel_for(rows, body);
  }
}

}  // namespace pipespec::ops
