#include "ops/half.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace pipespec::ops {
namespace {

/// The value of a half by its definition.
double defined_value(std::uint16_t half) {
  const double sign = (half & 0x8000) != 0 ? -1 : 1;
  const int exponent = half >> 10 & 0x1F, mantissa = half & 0x3FF;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

TEST(Half, EveryFiniteHalfHasItsDefinedValueAndComesBack) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    if ((half & 0x7C00) == 0x7C00) continue;
    ASSERT_EQ(static_cast<double>(half_to_float(half)), defined_value(half)) << bits;
    ASSERT_EQ(float_to_half(half_to_float(half)), half);
  }
}

TEST(Half, RoundsToTheNearestAndTiesToEven) {
  for (std::uint16_t half = 0; half < 0x7BFF; ++half) {
    const float low = half_to_float(half), high = half_to_float(static_cast<std::uint16_t>(half + 1));
    const float middle = (low + high) / 2;
    ASSERT_EQ(float_to_half(middle), half + half % 2) << half;
    ASSERT_EQ(float_to_half(std::nextafter(middle, 0.0f)), half) << half;
    ASSERT_EQ(float_to_half(std::nextafter(middle, 1e9f)), half + 1) << half;
    ASSERT_EQ(float_to_half(-middle), (half + half % 2) | 0x8000) << half;
  }
}

TEST(Half, KeepsInfinitiesAndNotANumber) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(float_to_half(infinity), 0x7C00);
  EXPECT_EQ(float_to_half(65520.0f), 0x7C00);
  EXPECT_EQ(float_to_half(65519.0f), 0x7BFF);
  EXPECT_EQ(half_to_float(0xFC00), -infinity);
  EXPECT_TRUE(std::isnan(half_to_float(float_to_half(std::nanf("")))));
}

}  // namespace
}  // namespace pipespec::ops
