#include <gmock/gmock.h>

#include <cmath>

#include "core/error.hpp"
#include "ops/add.hpp"
#include "ops/embedding.hpp"
#include "ops/random_data.hpp"
#include "ops/rms_norm.hpp"
#include "ops/swiglu.hpp"

namespace pipespec::ops {
namespace {

device::Stream stream(device::Device::host(), 2);

class Widths : public ::testing::TestWithParam<std::int64_t> {};

TEST_P(Widths, RmsNormIsTheDoublePrecisionNorm) {
  const std::int64_t width = GetParam();
  const Matrix x = random_matrix(3, width, 1, 4.0f), weight = random_matrix(1, width, 2);
  Matrix y(3, width);
  rms_norm(stream, x.view(), weight.values, 1e-5f, y.view());
  for (std::int64_t r = 0; r < 3; ++r) {
    double squares = 0;
    for (std::int64_t i = 0; i < width; ++i) squares += static_cast<double>(x.at(r, i)) * x.at(r, i);
    const double factor = 1 / std::sqrt(squares / static_cast<double>(width) + 1e-5);
    for (std::int64_t i = 0; i < width; ++i) {
      const double expected = x.at(r, i) * factor * weight.at(0, i);
      ASSERT_NEAR(y.at(r, i), expected, std::abs(expected) * 1e-5);
    }
  }
}

TEST_P(Widths, RmsNormMayWorkInPlace) {
  const std::int64_t width = GetParam();
  Matrix x = random_matrix(2, width, 1), y(2, width);
  const Matrix weight = random_matrix(1, width, 2);
  rms_norm(stream, x.view(), weight.values, 1e-5f, y.view());
  rms_norm(stream, x.view(), weight.values, 1e-5f, x.view());
  EXPECT_EQ(x.values, y.values);
}

TEST_P(Widths, SwigluIsTheDoublePrecisionGate) {
  const std::int64_t width = GetParam();
  const Matrix gate = random_matrix(2, width, 3, 10.0f), up = random_matrix(2, width, 4);
  Matrix out(2, width);
  swiglu(stream, gate.view(), up.view(), out.view());
  for (std::size_t i = 0; i < out.values.size(); ++i) {
    const double g = gate.values[i], expected = g / (1 + std::exp(-g)) * up.values[i];
    ASSERT_NEAR(out.values[i], expected, std::abs(expected) * 1e-6 + 1e-12) << g;
  }
}

TEST_P(Widths, AddAddsInPlace) {
  const Matrix x = random_matrix(3, GetParam(), 5), before = random_matrix(3, GetParam(), 6);
  Matrix y = before;
  add(stream, x.view(), y.view());
  for (std::size_t i = 0; i < y.values.size(); ++i) ASSERT_EQ(y.values[i], before.values[i] + x.values[i]);
}

INSTANTIATE_TEST_SUITE_P(Elementwise, Widths, ::testing::Values(1, 15, 16, 17, 576, 1000));

TEST(Swiglu, LargeGatesPassAndLargeNegativeOnesClose) {
  Matrix gate(1, 4), up(1, 4), out(1, 4);
  gate.values = {100.0f, -100.0f, 0.0f, -1000.0f};
  up.values = {2.0f, 2.0f, 2.0f, 2.0f};
  swiglu(stream, gate.view(), up.view(), out.view());
  EXPECT_EQ(out.values[0], 200.0f);
  EXPECT_NEAR(out.values[1], 0.0f, 1e-30f);
  EXPECT_EQ(out.values[2], 0.0f);
  EXPECT_NEAR(out.values[3], 0.0f, 1e-30f);
}

TEST(Embedding, IsTheWidenedRowOfEachToken) {
  for (const WeightType type : all_weight_types) {
    const std::int64_t width = whole_blocks(type, 64);
    const auto stored = random_weights(type, 9, width, 1);
    const Matrix table = widened(type, stored, 9, width);
    const std::vector<Token> tokens{8, 0, 3, 3};
    Matrix y(4, width);
    embed(stream, {type, stored, 9, width}, tokens, y.view());
    for (std::int64_t r = 0; r < 4; ++r)
      for (std::int64_t i = 0; i < width; ++i)
        ASSERT_EQ(y.at(r, i), table.at(tokens[static_cast<std::size_t>(r)], i)) << to_string(type);
  }
}

TEST(Embedding, ATokenBeyondTheVocabularyBreaksTheContract) {
  const auto stored = random_weights(WeightType::f32, 2, 16, 1);
  Matrix y(1, 16);
  for (const Token token : {-1, 2})
    EXPECT_THROW(embed(stream, {WeightType::f32, stored, 2, 16}, {&token, 1}, y.view()), ContractError);
}

}  // namespace
}  // namespace pipespec::ops
