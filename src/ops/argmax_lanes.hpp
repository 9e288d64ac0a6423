/// The state of a search for the largest output.
#pragma once

#include "core/types.hpp"
#include "ops/argmax.hpp"

namespace pipespec::ops {

/// The largest value so far and its tile, for each of the 16 lanes of a row.
struct alignas(64) LaneBest {
  float value[16];
  float tile[16];  ///< exact below 2^24, far more tiles than vocabularies have
};

/// Merges the lanes of one row into `best`; lane i of tile t is the output 16·t + i.
inline Best best_of_lanes(const LaneBest& lanes, Token first_token, Best best) {
  for (int i = 0; i < 16; ++i) {
    const Best candidate{lanes.value[i], first_token + static_cast<Token>(lanes.tile[i]) * 16 + i};
    if (better(candidate, best)) best = candidate;
  }
  return best;
}

}  // namespace pipespec::ops
