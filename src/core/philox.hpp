/// The counter-based random numbers Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1,
/// 2, 3", SC 2011): any number of a stream by its place, without a state.
#pragma once

#include <cstdint>

namespace pipespec {

/// Replaces `lanes` counters of four words, side by side, by their random words: [word][lane]. Always inlined, so that
/// a caller compiled for wider vectors has its own copy.
template <int lanes>
[[gnu::always_inline]] inline void philox4x32(std::uint32_t (&counter)[4][lanes], std::uint64_t key) {
  constexpr std::uint64_t multiplier[2] = {0xD2511F53, 0xCD9E8D57};
  constexpr std::uint32_t weyl[2] = {0x9E3779B9, 0xBB67AE85};
  auto low = static_cast<std::uint32_t>(key), high = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < lanes; ++i) {
      const std::uint64_t a = multiplier[0] * counter[0][i], b = multiplier[1] * counter[2][i];
      counter[0][i] = static_cast<std::uint32_t>(b >> 32) ^ counter[1][i] ^ low;
      counter[1][i] = static_cast<std::uint32_t>(b);
      counter[2][i] = static_cast<std::uint32_t>(a >> 32) ^ counter[3][i] ^ high;
      counter[3][i] = static_cast<std::uint32_t>(a);
    }
    low += weyl[0];
    high += weyl[1];
  }
}

}  // namespace pipespec
