/// Where the scales of quantised blocks lie, for tests that write blocks of random bits.
#pragma once

#include <cstddef>
#include <cstring>
#include <stdexcept>

#include "ops/half.hpp"
#include "ops/weight_type.hpp"

namespace pipespec::testing {

/// Byte offsets of the f16 numbers of a block (weight_type.hpp, super_block.hpp).
struct ScalePlaces {
  std::ptrdiff_t d = 0;
  std::ptrdiff_t m = -1;  ///< of q4_1's and q5_1's m and the super-blocks' dmin; −1 where there is none
  float centre = 0;       ///< m / d that puts random codes around 0
};

inline ScalePlaces scale_places(ops::WeightType type) {
  switch (type) {
    case ops::WeightType::q8_0:
    case ops::WeightType::q4_0:
    case ops::WeightType::q5_0:
      return {};
    case ops::WeightType::q4_1:
      return {.m = 2, .centre = -7.5f};
    case ops::WeightType::q5_1:
      return {.m = 2, .centre = -15.5f};
    case ops::WeightType::q2_k:
      return {.d = 80, .m = 82, .centre = 1.5f};
    case ops::WeightType::q3_k:
      return {.d = 108};
    case ops::WeightType::q4_k:
      return {.m = 2, .centre = 7.5f};
    case ops::WeightType::q5_k:
      return {.m = 2, .centre = 15.5f};
    case ops::WeightType::q6_k:
      return {.d = 208};
    default:
      throw std::invalid_argument("not a quantised type");
  }
}

/// Writes d and, where the type has one, m.
inline void set_scales(ops::WeightType type, std::byte* block, float d, float m) {
  const ScalePlaces places = scale_places(type);
  const std::uint16_t halves[] = {ops::float_to_half(d), ops::float_to_half(m)};
  std::memcpy(block + places.d, &halves[0], 2);
  if (places.m >= 0) std::memcpy(block + places.m, &halves[1], 2);
}

}  // namespace pipespec::testing
