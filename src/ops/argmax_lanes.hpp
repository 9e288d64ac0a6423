/// The state of a search for the largest output.
#pragma once

namespace pipespec::ops {

/// The largest value so far and its tile, for each of the 16 lanes of a row.
struct alignas(64) LaneBest {
  float value[16];
  float tile[16];  ///< exact below 2^24, far more tiles than vocabularies have
};

}  // namespace pipespec::ops
