#include "ops/dequantize.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#include "core/error.hpp"
#include "ops/half.hpp"
#include "ops/super_block.hpp"

namespace pipespec::ops {
namespace {

template <class T>
T read(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

float read_half(const std::byte* from) {
  return half_to_float(read<std::uint16_t>(from));
}

void widen_q8_0(const std::byte* block, float* values) {
  const float d = read_half(block);
  for (int i = 0; i < 32; ++i) values[i] = d * static_cast<float>(read<std::int8_t>(block + 2 + i));
}

/// The two 4-bit halves of byte i are the weights i and i + 16.
template <class Value>
void widen_nibbles(const std::byte* codes, float* values, Value value) {
  for (int i = 0; i < 16; ++i) {
    values[i] = value(std::to_integer<int>(codes[i] & std::byte{0x0F}));
    values[i + 16] = value(std::to_integer<int>(codes[i] >> 4));
  }
}

void widen_q4_0(const std::byte* block, float* values) {
  const float d = read_half(block);
  widen_nibbles(block + 2, values, [d](int q) { return d * static_cast<float>(q - 8); });
}

void widen_q4_1(const std::byte* block, float* values) {
  const float d = read_half(block), m = read_half(block + 2);
  widen_nibbles(block + 4, values, [d, m](int q) { return d * static_cast<float>(q) + m; });
}

/// As widen_nibbles, with bit i of `high` the fifth bit of weight i.
template <class Value>
void widen_five_bits(std::uint32_t high, const std::byte* codes, float* values, Value value) {
  for (int i = 0; i < 32; ++i) {
    const int low = std::to_integer<int>(codes[i % 16]) >> i / 16 * 4 & 0x0F;
    values[i] = value(low | static_cast<int>(high >> i & 1) << 4);
  }
}

void widen_q5_0(const std::byte* block, float* values) {
  const float d = read_half(block);
  widen_five_bits(read<std::uint32_t>(block + 2), block + 6, values,
                  [d](int q) { return d * static_cast<float>(q - 16); });
}

void widen_q5_1(const std::byte* block, float* values) {
  const float d = read_half(block), m = read_half(block + 2);
  widen_five_bits(read<std::uint32_t>(block + 4), block + 8, values,
                  [d, m](int q) { return d * static_cast<float>(q) + m; });
}

void widen_super_block(const SuperBlock& block, float* values) {
  const float d = half_to_float(block.d), dmin = half_to_float(block.dmin);
  const std::int8_t* code = block.codes.data();
  for (std::size_t run = 0; code < block.codes.data() + SuperBlock::length; ++run) {
    const float scale = d * static_cast<float>(block.scales[run]);
    const float minimum = dmin * static_cast<float>(block.minima[run]);
    for (int i = 0; i < block.run; ++i) *values++ = scale * static_cast<float>(*code++) - minimum;
  }
}

void widen_block(WeightType type, const std::byte* block, float* values) {
  switch (type) {
    case WeightType::f32:
      *values = read<float>(block);
      return;
    case WeightType::f16:
      *values = read_half(block);
      return;
    case WeightType::bf16:
      *values = std::bit_cast<float>(std::uint32_t{read<std::uint16_t>(block)} << 16);
      return;
    case WeightType::q8_0:
      return widen_q8_0(block, values);
    case WeightType::q4_0:
      return widen_q4_0(block, values);
    case WeightType::q4_1:
      return widen_q4_1(block, values);
    case WeightType::q5_0:
      return widen_q5_0(block, values);
    case WeightType::q5_1:
      return widen_q5_1(block, values);
    case WeightType::q2_k:
    case WeightType::q3_k:
    case WeightType::q4_k:
    case WeightType::q5_k:
    case WeightType::q6_k:
      return widen_super_block(unpack_super_block(type, block), values);
  }
}

}  // namespace

void dequantize_row(WeightType type, std::span<const std::byte> stored, std::span<float> values) {
  const BlockFormat format = block_format(type);
  const auto count = static_cast<std::int64_t>(values.size());
  expect(static_cast<std::int64_t>(stored.size()) >= row_bytes(type, count), "the stored row is whole");
  for (std::int64_t i = 0; i < count / format.length; ++i)
    widen_block(type, stored.data() + i * format.bytes, values.data() + i * format.length);
}

void round_to_bf16(std::span<const float> values, std::span<std::uint16_t> rounded) {
  expect(values.size() == rounded.size(), "one result a value");
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(values[i]);
    const std::uint32_t nearest = bits + 0x7FFFu + ((bits >> 16) & 1u);
    rounded[i] = static_cast<std::uint16_t>((std::isnan(values[i]) ? bits | 0x400000u : nearest) >> 16);
  }
}

}  // namespace pipespec::ops
