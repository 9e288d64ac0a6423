#include "ops/quantize.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "core/error.hpp"
#include "ops/half.hpp"

namespace pipespec::ops {
namespace {

constexpr std::size_t length = 32;  // of a block
using Values = std::span<const float, length>;

/// A block before its codes are put together.
struct Block {
  std::uint16_t scale = 0;            // f16
  std::array<float, length> codes{};  // whole numbers, signed
};

/// To the nearest whole number, ties to even, for |x| < 2^22: what the sum cannot hold is rounded away.
float nearest(float x) {
  constexpr float shift = 0x1.8p23f;
  return (x + shift) - shift;
}

/// Codes from `lowest` to `highest` for the f16 nearest to `scale`.
Block round_block(Values values, float scale, float lowest, float highest) {
  Block block{.scale = float_to_half(scale)};
  const float stored = half_to_float(block.scale);
  const float divisor = stored == 0 ? 1 : stored;  // of values that then have no codes but 0
  for (std::size_t i = 0; i < length; ++i) block.codes[i] = nearest(std::clamp(values[i] / divisor, lowest, highest));
  return block;
}

float largest_with_sign(Values values) {
  return *std::ranges::max_element(values, {}, [](float x) { return std::abs(x); });
}

Block round_block(WeightType type, Values values) {
  const float largest = largest_with_sign(values);
  if (type == WeightType::q8_0) return round_block(values, std::abs(largest) / 127, -127, 127);
  return round_block(values, largest / -8, -8, 7);
}

bool is_finite(Values values) {
  return std::ranges::all_of(values, [](float x) { return std::isfinite(x); });
}

/// The codes as the type stores them (weight_type.hpp).
void put_codes(WeightType type, const std::array<float, length>& codes, std::byte* to) {
  const auto code = [&](std::size_t i) { return static_cast<int>(codes[i]); };
  if (type == WeightType::q8_0) {
    for (std::size_t i = 0; i < length; ++i) to[i] = static_cast<std::byte>(code(i));
  } else {
    for (std::size_t i = 0; i < length / 2; ++i)
      to[i] = static_cast<std::byte>((code(i) + 8) | (code(i + length / 2) + 8) << 4);
  }
}

}  // namespace

bool quantize_row(WeightType type, std::span<const float> values, std::span<std::byte> stored) {
  expect(type == WeightType::q8_0 || type == WeightType::q4_0, "weights are rounded into these types");
  const auto bytes = static_cast<std::size_t>(block_format(type).bytes);
  expect(values.size() % length == 0 && stored.size() == values.size() / length * bytes, "a row of whole blocks");
  std::byte* to = stored.data();
  for (std::size_t i = 0; i < values.size(); i += length, to += bytes) {
    const Values block_values = values.subspan(i).first<length>();
    if (!is_finite(block_values)) return false;
    const Block block = round_block(type, block_values);
    if (!std::isfinite(half_to_float(block.scale))) return false;
    std::memcpy(to, &block.scale, sizeof block.scale);
    put_codes(type, block.codes, to + sizeof block.scale);
  }
  return true;
}

}  // namespace pipespec::ops
