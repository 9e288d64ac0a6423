#include "ops/linear.hpp"

#include <gmock/gmock.h>

#include <cmath>

#include "core/error.hpp"
#include "ops/argmax.hpp"
#include "ops/random_data.hpp"

namespace pipespec::ops {
namespace {

device::Stream stream(device::Device::host(), 2);

Matrix multiply(const PackedMatrix& w, const Matrix& x) {
  Activations activations;
  activations.assign(stream, x.view(), is_quantized(w.type()) ? NeedsBlocks::yes : NeedsBlocks::no);
  Matrix y(x.rows, w.out());
  linear(stream, w, activations, y.view());
  return y;
}

/// Σ_k w_k·x_k in double precision, and what rounding may add to it.
struct Reference {
  double value = 0;
  double bound = 0;
};

/// 8-bit activations are off by half a step, max|x|/254, each; what remains is float32 rounding of the sums, of which
/// every term meets at most `additions` roundings of 2^-24 of the running magnitude.
Reference reference(const Matrix& w, std::int64_t out, const Matrix& x, std::int64_t row, WeightType type) {
  Reference result;
  double magnitude = 0;
  for (std::int64_t begin = 0; begin < x.cols; begin += 32) {
    const std::int64_t end = std::min(begin + 32, x.cols);
    double largest = 0, weights = 0;
    for (std::int64_t k = begin; k < end; ++k) {
      const double a = w.at(out, k), b = x.at(row, k);
      result.value += a * b;
      magnitude += std::abs(a * b);
      largest = std::max(largest, std::abs(b));
      weights += std::abs(a);
    }
    if (is_quantized(type)) {
      result.bound += weights * largest / 254;
      magnitude += 16 * weights * largest;  // codes and minima are summed apart, and each is larger than the weight
    }
  }
  const double additions = is_quantized(type) ? static_cast<double>(x.cols) / 8 : static_cast<double>(x.cols);
  result.bound += magnitude * additions * 0x1p-24;
  return result;
}

class Linear : public ::testing::TestWithParam<WeightType> {};

TEST_P(Linear, IsWithinTheRoundingOfTheWidenedProduct) {
  const WeightType type = GetParam();
  for (const auto& [out, inputs, rows] :
       {std::array<std::int64_t, 3>{16, 32, 1}, {50, 96, 3}, {1, 64, 8}, {33, 576, 11}}) {
    const std::int64_t in = whole_blocks(type, inputs);
    const auto stored = random_weights(type, out, in, 7);
    const Matrix x = random_matrix(rows, in, 8);
    const Matrix y = multiply(packed(type, stored, out, in), x), w = widened(type, stored, out, in);
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t o = 0; o < out; ++o) {
        const Reference expected = reference(w, o, x, r, type);
        ASSERT_NEAR(y.at(r, o), expected.value, expected.bound) << out << "x" << in << " row " << r << " output " << o;
      }
  }
}

TEST_P(Linear, AShardOfTheInputsIsTheProductWithThatPartOfTheRows) {
  const WeightType type = GetParam();
  const std::int64_t out = 20, begin = whole_blocks(type, 32), width = 2 * begin, in = 4 * begin;
  const auto stored = random_weights(type, out, in, 3);
  const std::int64_t stride = row_bytes(type, in), offset = row_bytes(type, begin), part = row_bytes(type, width);
  std::vector<std::byte> copied;
  for (std::int64_t row = 0; row < out; ++row)
    copied.insert(copied.end(), stored.begin() + row * stride + offset, stored.begin() + row * stride + offset + part);
  const auto shard = packed(type, std::span(stored).subspan(static_cast<std::size_t>(offset)), out, width, stride);
  const Matrix x = random_matrix(2, width, 4);
  EXPECT_EQ(multiply(shard, x).values, multiply(packed(type, copied, out, width), x).values);
}

TEST_P(Linear, ProductsTogetherAreTheProductsAlone) {
  const WeightType type = GetParam();
  const std::int64_t in = whole_blocks(type, 64);
  const Matrix x = random_matrix(3, in, 1);
  const auto first = packed(type, random_weights(type, 40, in, 2), 40, in);
  const auto second = packed(type, random_weights(type, 17, in, 3), 17, in);
  Activations activations;
  activations.assign(stream, x.view(), is_quantized(type) ? NeedsBlocks::yes : NeedsBlocks::no);
  Matrix both(3, 57);
  const MatrixView<float> left(both.values.data(), 3, 40, 57), right(both.values.data() + 40, 3, 17, 57);
  const Product products[] = {{&first, left}, {&second, right}};
  linear(stream, products, activations);
  const Matrix y1 = multiply(first, x), y2 = multiply(second, x);
  for (std::int64_t r = 0; r < 3; ++r)
    for (std::int64_t o = 0; o < 57; ++o) ASSERT_EQ(both.at(r, o), o < 40 ? y1.at(r, o) : y2.at(r, o - 40));
}

TEST_P(Linear, TilesAloneGoToTheirPlacesWithTheSameBits) {
  const WeightType type = GetParam();
  constexpr std::int64_t out = 150, rows = 3;  // ten tiles, the last not full
  const std::int64_t in = whole_blocks(type, 64);
  const auto w = packed(type, random_weights(type, out, in, 7), out, in);
  const Matrix x = random_matrix(rows, in, 8), whole = multiply(w, x);
  Activations activations;
  activations.assign(stream, x.view(), is_quantized(type) ? NeedsBlocks::yes : NeedsBlocks::no);
  Matrix y(rows, out);
  linear_tiles(stream, w, activations, 7, 10, y.view());
  linear_tiles(stream, w, activations, 0, 4, y.view());
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t o = 0; o < out; ++o) ASSERT_EQ(y.at(r, o), o < 64 || o >= 112 ? whole.at(r, o) : 0.0f);
  EXPECT_THROW(linear_tiles(stream, w, activations, 9, 11, y.view()), ContractError);
}

TEST_P(Linear, ArgmaxIsTheSearchOfTheProductsBits) {
  const WeightType type = GetParam();
  constexpr std::int64_t out = 1003, rows = 70;
  const std::int64_t in = whole_blocks(type, 64);
  const auto w = packed(type, random_weights(type, out, in, 5), out, in);
  const Matrix x = random_matrix(rows, in, 6), y = multiply(w, x);
  Activations activations;
  activations.assign(stream, x.view(), is_quantized(type) ? NeedsBlocks::yes : NeedsBlocks::no);
  std::vector<Best> found(rows), expected(rows);
  linear_argmax(stream, w, activations, 200, found);
  argmax(y.view(), 200, expected);
  for (std::size_t r = 0; r < rows; ++r) {
    EXPECT_EQ(found[r].token, expected[r].token);
    EXPECT_EQ(found[r].value, expected[r].value);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Linear, ::testing::ValuesIn(types_with_kernel()), type_name);

/// Blocks whose codes, and factors of scales, are all extreme, where 16-bit sums come nearest to overflow.
TEST(Linear, ExtremeCodesDoNotOverflow) {
  for (const WeightType type :
       {WeightType::q8_0, WeightType::q4_0, WeightType::q4_1, WeightType::q4_k, WeightType::q6_k})
    for (const int code : {0x00, 0x7F, 0x80, 0xF0, 0x0F, 0xFF}) {
      const std::int64_t in = whole_blocks(type, 64);
      std::vector<std::byte> stored(static_cast<std::size_t>(row_bytes(type, in)), static_cast<std::byte>(code));
      const BlockFormat format = block_format(type);
      for (std::int64_t block = 0; block < in / format.length; ++block)
        testing::set_scales(type, stored.data() + block * format.bytes, 1, 0);
      for (const float sign : {1.0f, -1.0f}) {
        Matrix x(1, in);
        std::fill(x.values.begin(), x.values.end(), sign * 127);
        const Matrix w = widened(type, stored, 1, in);
        double expected = 0;  // as all sums on the way, a multiple of 16 below 2^28: exact
        for (std::int64_t k = 0; k < in; ++k) expected += w.at(0, k) * x.at(0, k);
        EXPECT_EQ(multiply(packed(type, stored, 1, in), x).at(0, 0), static_cast<float>(expected))
            << to_string(type) << " " << code;
      }
    }
}

TEST(Linear, AnOddNumberOfBf16InputsIsSummedWhole) {
  const Matrix x = random_matrix(2, 33, 1);
  const auto stored = random_weights(WeightType::bf16, 5, 33, 2);
  const Matrix y = multiply(packed(WeightType::bf16, stored, 5, 33), x), w = widened(WeightType::bf16, stored, 5, 33);
  for (std::int64_t r = 0; r < 2; ++r)
    for (std::int64_t o = 0; o < 5; ++o) {
      const Reference expected = reference(w, o, x, r, WeightType::bf16);
      EXPECT_NEAR(y.at(r, o), expected.value, expected.bound);
    }
}

TEST(Linear, ArgmaxTiesGoToTheLowerToken) {
  constexpr std::int64_t out = 90;
  std::vector<float> weights(out * 2, 0.0f);
  for (const std::int64_t token : {83, 37, 21, 22}) weights[static_cast<std::size_t>(token) * 2] = 1.0f;
  const auto w = packed(WeightType::f32, std::as_bytes(std::span(weights)), out, 2);
  Matrix x(2, 2);
  x.values = {3.0f, 0.0f, -1.0f, 0.0f};
  Activations activations;
  activations.assign(stream, x.view(), NeedsBlocks::no);
  std::vector<Best> best(2);
  linear_argmax(stream, w, activations, 0, best);
  EXPECT_EQ(best[0].token, 21);
  EXPECT_EQ(best[0].value, 3.0f);
  EXPECT_EQ(best[1].token, 0);  // many zeros, the first of them
}

TEST(Linear, TheFillingOfTheLastTileIsNeverTheBest) {
  constexpr std::int64_t out = 19;
  const std::vector<float> weights(out, -1.0f);
  const auto w = packed(WeightType::f32, std::as_bytes(std::span(weights)), out, 1);
  Matrix x(1, 1);
  x.values = {2.0f};
  Activations activations;
  activations.assign(stream, x.view(), NeedsBlocks::no);
  Best best{};
  linear_argmax(stream, w, activations, 0, {&best, 1});
  EXPECT_EQ(best.token, 0);
  EXPECT_EQ(best.value, -2.0f);
}

TEST(Linear, WeightsWithoutAKernelAreNotPacked) {
  EXPECT_THROW(PackedMatrix(WeightType::q5_k, 16, 256), ContractError);
  EXPECT_THROW(PackedMatrix(WeightType::q4_k, 16, 128), ContractError) << "half a super-block";
}

TEST(Linear, QuantisedWeightsNeedBlocks) {
  const auto w = packed(WeightType::q4_0, random_weights(WeightType::q4_0, 16, 32, 1), 16, 32);
  const Matrix x = random_matrix(1, 32, 1);
  Activations activations;
  activations.assign(stream, x.view(), NeedsBlocks::no);
  Matrix y(1, 16);
  EXPECT_THROW(linear(stream, w, activations, y.view()), ContractError);
}

TEST(Activations, CodesAreTheNearestMultiplesOfTheScale) {
  const Matrix x = random_matrix(11, 64, 9);
  Activations activations;
  activations.assign(stream, x.view(), NeedsBlocks::yes);
  for (std::int64_t r = 0; r < 11; ++r)
    for (std::int64_t b = 0; b < 2; ++b) {
      const ActivationBlock& block = activations.blocks(r / 8)[b];
      const auto row = static_cast<std::size_t>(r % 8);
      float largest = 0;
      int sum = 0, first_sum = 0;
      for (std::int64_t k = 0; k < 32; ++k) {
        const float value = x.at(r, b * 32 + k);
        const int code = block.codes[row][k];
        largest = std::max(largest, std::abs(value));
        sum += code;
        if (k < 16) first_sum += code;
        EXPECT_NEAR(code * block.scale[row], value, block.scale[row] * 0.50001f);
      }
      EXPECT_EQ(block.scale[row], largest / 127);
      EXPECT_EQ(block.negative_sum[row], -sum);
      EXPECT_EQ(block.negative_first_sum[row], -first_sum);
      EXPECT_EQ(block.scaled_sum[row], block.scale[row] * static_cast<float>(sum));
    }
}

TEST(Activations, AZeroBlockIsZeroAndATinyOneIsFinite) {
  Matrix x(1, 64);
  x.at(0, 32) = 1e-38f;
  Activations activations;
  activations.assign(stream, x.view(), NeedsBlocks::yes);
  for (std::int64_t b = 0; b < 2; ++b) {
    EXPECT_THAT(activations.blocks(0)[b].codes[0], ::testing::Each(0));
    EXPECT_TRUE(std::isfinite(activations.blocks(0)[b].scale[0]));
  }
}

TEST(Activations, TiesGoToEven) {
  Matrix x(1, 32);
  x.at(0, 0) = 127.0f;  // scale 1
  x.at(0, 1) = 2.5f;
  x.at(0, 2) = -3.5f;
  Activations activations;
  activations.assign(stream, x.view(), NeedsBlocks::yes);
  EXPECT_EQ(activations.blocks(0)->codes[0][1], 2);
  EXPECT_EQ(activations.blocks(0)->codes[0][2], -4);
}

}  // namespace
}  // namespace pipespec::ops
