/// A scrambler of 64 bits: every bit of the result depends on every bit of the number.
#pragma once

#include <cstdint>

namespace pipespec {

/// The finalizer of splitmix64 (S. Vigna). A bijection; not cryptographic.
inline std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace pipespec
