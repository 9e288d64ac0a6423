/// The state of a search for the largest output.
#pragma once

#include <cstdint>

namespace pipespec::ops {

/// The largest value so far and its tile, for each of the 16 lanes of a row.
struct alignas(64) LaneBest {
  float value[16];
  std::int32_t tile[16];
};

}  // namespace pipespec::ops
