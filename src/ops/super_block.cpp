#include "ops/super_block.hpp"

#include <cstring>

#include "core/error.hpp"

namespace pipespec::ops {
namespace {

std::uint16_t half_at(const std::byte* from) {
  std::uint16_t bits;
  std::memcpy(&bits, from, sizeof bits);
  return bits;
}

/// `count` bits of a byte, from bit `first` on.
int bits_of(std::byte from, int first, int count) {
  return std::to_integer<int>(from) >> first & ((1 << count) - 1);
}

/// Adds `width` bits, times 2^place, to every code. They lie in runs of `run` weights, a byte a weight, of which the
/// first 8 / width share their bytes, from the low bits up, then the next.
void add_bits(const std::byte* from, int width, int run, int place, SuperBlock& block) {
  std::int8_t* code = block.codes.data();
  for (int first_bit = 0; code < block.codes.data() + SuperBlock::length; code += run) {
    for (int i = 0; i < run; ++i)
      code[i] = static_cast<std::int8_t>(code[i] + (bits_of(from[i], first_bit, width) << place));
    first_bit = (first_bit + width) % 8;
    if (first_bit == 0) from += run;
  }
}

/// Eight scales and eight minima of 6 bits in 12 bytes: the first four of each in a byte, the last four with their low
/// half in the last four bytes and their high bits above the first ones.
void unpack_scales_and_minima(const std::byte* from, SuperBlock& block) {
  for (std::size_t i = 0; i < 8; ++i) {
    int scale = bits_of(from[i % 4], 0, 6), minimum = bits_of(from[i % 4 + 4], 0, 6);
    if (i >= 4) {
      scale = bits_of(from[i + 4], 0, 4) | bits_of(from[i - 4], 6, 2) << 4;
      minimum = bits_of(from[i + 4], 4, 4) | bits_of(from[i], 6, 2) << 4;
    }
    block.scales[i] = static_cast<std::int8_t>(scale);
    block.minima[i] = static_cast<std::int8_t>(minimum);
  }
}

SuperBlock unpack_q2_k(const std::byte* stored) {
  const std::byte *scales = stored, *codes = stored + 16;
  SuperBlock block{.d = half_at(stored + 80), .dmin = half_at(stored + 82)};
  for (std::size_t i = 0; i < 16; ++i) {
    block.scales[i] = static_cast<std::int8_t>(bits_of(scales[i], 0, 4));
    block.minima[i] = static_cast<std::int8_t>(bits_of(scales[i], 4, 4));
  }
  add_bits(codes, 2, 32, 0, block);
  return block;
}

SuperBlock unpack_q3_k(const std::byte* stored) {
  const std::byte *high = stored, *low = stored + 32, *scales = stored + 96;
  SuperBlock block{.d = half_at(stored + 108)};
  for (int i = 0; i < 16; ++i) {
    const int low_bits = bits_of(scales[i % 8], i / 8 * 4, 4), high_bits = bits_of(scales[8 + i % 4], i / 4 * 2, 2);
    block.scales[static_cast<std::size_t>(i)] = static_cast<std::int8_t>((low_bits | high_bits << 4) - 32);
  }
  block.codes.fill(-4);
  add_bits(low, 2, 32, 0, block);
  add_bits(high, 1, 32, 2, block);
  return block;
}

SuperBlock unpack_q4_k(const std::byte* stored) {
  SuperBlock block{.d = half_at(stored), .dmin = half_at(stored + 2), .run = 32};
  unpack_scales_and_minima(stored + 4, block);
  add_bits(stored + 16, 4, 32, 0, block);
  return block;
}

SuperBlock unpack_q5_k(const std::byte* stored) {
  const std::byte *high = stored + 16, *low = stored + 48;
  SuperBlock block{.d = half_at(stored), .dmin = half_at(stored + 2), .run = 32};
  unpack_scales_and_minima(stored + 4, block);
  add_bits(low, 4, 32, 0, block);
  add_bits(high, 1, 32, 4, block);
  return block;
}

SuperBlock unpack_q6_k(const std::byte* stored) {
  const std::byte *low = stored, *high = stored + 128, *scales = stored + 192;
  SuperBlock block{.d = half_at(stored + 208)};
  std::memcpy(block.scales.data(), scales, 16);
  block.codes.fill(-32);
  add_bits(low, 4, 64, 0, block);
  add_bits(high, 2, 32, 4, block);
  return block;
}

}  // namespace

SuperBlock unpack_super_block(WeightType type, const std::byte* stored) {
  switch (type) {
    case WeightType::q2_k:
      return unpack_q2_k(stored);
    case WeightType::q3_k:
      return unpack_q3_k(stored);
    case WeightType::q4_k:
      return unpack_q4_k(stored);
    case WeightType::q5_k:
      return unpack_q5_k(stored);
    case WeightType::q6_k:
      return unpack_q6_k(stored);
    default:
      throw ContractError("not a type of super-blocks");
  }
}

}  // namespace pipespec::ops
