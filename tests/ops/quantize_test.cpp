#include "ops/quantize.hpp"

#include <gmock/gmock.h>

#include <array>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "ops/dequantize.hpp"
#include "ops/random_data.hpp"

namespace pipespec::ops {
namespace {

using ::testing::Each;

constexpr std::size_t length = 32;

/// What the stored row of `values` means.
std::vector<float> rounded(WeightType type, const std::vector<float>& values) {
  std::vector<std::byte> stored(static_cast<std::size_t>(row_bytes(type, std::ssize(values))));
  EXPECT_TRUE(quantize_row(type, values, stored));
  std::vector<float> widened(values.size());
  dequantize_row(type, stored, widened);
  return widened;
}

/// A block rounded in double precision to codes from `lowest` to `highest` of the given scale.
std::vector<double> reference(std::span<const float> values, float scale, double lowest, double highest) {
  const double stored = static_cast<double>(half_to_float(float_to_half(scale)));
  std::vector<double> result;
  for (const float x : values)
    result.push_back(stored * std::clamp(std::nearbyint(static_cast<double>(x) / stored), lowest, highest));
  return result;
}

float largest_with_sign(std::span<const float> block) {
  return *std::ranges::max_element(block, {}, [](float x) { return std::abs(x); });
}

/// Calls check(the block's values, its stored ones) for the blocks of a row of normally distributed weights.
template <class Check>
void for_random_blocks(WeightType type, const Check& check) {
  const std::vector<float> values = random_matrix(1, 2000 * length, 5, 0.02f).values;
  const std::vector<float> found = rounded(type, values);
  for (std::size_t i = 0; i < values.size(); i += length)
    check(std::span(values).subspan(i, length), std::span(found).subspan(i, length));
}

TEST(Quantize, EightBitsAreThoseOfThePlainReference) {
  for_random_blocks(WeightType::q8_0, [](std::span<const float> values, std::span<const float> found) {
    const auto expected = reference(values, std::abs(largest_with_sign(values)) / 127, -127, 127);
    for (std::size_t i = 0; i < length; ++i) ASSERT_EQ(found[i], expected[i]) << values[i];
  });
}

TEST(Quantize, FourBitsAreThoseOfThePlainReference) {
  for_random_blocks(WeightType::q4_0, [](std::span<const float> values, std::span<const float> found) {
    const auto expected = reference(values, largest_with_sign(values) / -8, -8, 7);
    for (std::size_t i = 0; i < length; ++i) ASSERT_EQ(found[i], expected[i]) << values[i];
  });
}

TEST(Quantize, TiesGoToEven) {
  std::vector<float> values(length, 0);
  values[0] = 127;  // scale 1
  values[1] = 0.5f, values[2] = 1.5f, values[3] = 2.5f, values[4] = -0.5f, values[5] = -1.5f;
  const auto found = rounded(WeightType::q8_0, values);
  EXPECT_THAT(std::vector(found.begin(), found.begin() + 6), ::testing::ElementsAre(127, 0, 2, 2, 0, -2));
}

TEST(Quantize, EveryBlockHasAScaleOfItsOwn) {
  std::vector<float> values(3 * length, 0.001f);
  std::fill_n(values.begin() + length, length, -1000.0f);
  for (const WeightType type : {WeightType::q8_0, WeightType::q4_0}) {
    const auto found = rounded(type, values);
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_NEAR(found[i], values[i], 0.03 * std::abs(values[i]));
  }
}

TEST(Quantize, ZerosAndWhatIsTooSmallForAScaleAreZero) {
  for (const WeightType type : {WeightType::q8_0, WeightType::q4_0})
    for (const float tiny : {0.0f, -0.0f, 1e-9f, -1e-9f, 1e-40f})
      EXPECT_THAT(rounded(type, std::vector<float>(length, tiny)), Each(0.0f)) << tiny;
}

TEST(Quantize, WhatCannotBeHeldIsReported) {
  std::array<std::byte, 2 * 34> stored;
  for (const WeightType type : {WeightType::q8_0, WeightType::q4_0}) {
    const auto can_hold = [&](float value) {
      std::vector<float> values(2 * length, 1);
      values.back() = value;
      return quantize_row(type, values, std::span(stored).first(static_cast<std::size_t>(row_bytes(type, 64))));
    };
    EXPECT_TRUE(can_hold(5e5f));
    EXPECT_FALSE(can_hold(1e7f));
    EXPECT_FALSE(can_hold(std::numeric_limits<float>::infinity()));
    EXPECT_FALSE(can_hold(std::numeric_limits<float>::quiet_NaN()));
  }
}

TEST(Quantize, OtherTypesAndPartsOfBlocksBreakTheContract) {
  std::array<std::byte, 34> stored;
  const std::vector<float> values(length, 1);
  EXPECT_THROW((void)quantize_row(WeightType::q4_1, values, std::span(stored).first(20)), ContractError);
  EXPECT_THROW((void)quantize_row(WeightType::q8_0, values, std::span(stored).first(33)), ContractError);
  EXPECT_THROW((void)quantize_row(WeightType::q8_0, std::span(values).first(31), stored), ContractError);
}

}  // namespace
}  // namespace pipespec::ops
