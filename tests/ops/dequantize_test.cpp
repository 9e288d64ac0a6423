#include "ops/dequantize.hpp"

#include <gmock/gmock.h>

#include <array>
#include <bit>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "ops/random_data.hpp"

namespace pipespec::ops {
namespace {

using ::testing::ElementsAre;

std::vector<std::byte> bytes(std::initializer_list<int> values) {
  std::vector<std::byte> out;
  for (const int value : values) out.push_back(static_cast<std::byte>(value));
  return out;
}

template <class T>
std::vector<T> read_file(const std::filesystem::path& path) {
  std::vector<T> content(std::filesystem::file_size(path) / sizeof(T));
  std::ifstream file(path, std::ios::binary);
  file.exceptions(std::ios::failbit | std::ios::badbit);
  file.read(reinterpret_cast<char*>(content.data()), static_cast<std::streamsize>(content.size() * sizeof(T)));
  return content;
}

std::array<float, 32> block(WeightType type, const std::vector<std::byte>& stored) {
  std::array<float, 32> values;
  dequantize_row(type, stored, values);
  return values;
}

TEST(Dequantize, Q8_0IsScaleTimesSignedByte) {
  auto stored = bytes({0x00, 0x38});  // 0.5
  for (int i = 0; i < 32; ++i) stored.push_back(static_cast<std::byte>(i == 0 ? -128 : i - 16));
  const auto values = block(WeightType::q8_0, stored);
  EXPECT_EQ(values[0], -64.0f);
  for (std::size_t i = 1; i < 32; ++i) EXPECT_EQ(values[i], 0.5f * (static_cast<float>(i) - 16)) << i;
}

TEST(Dequantize, Q4_0IsScaleTimesCodeLessEightWithTheSecondHalfInTheHighBits) {
  auto stored = bytes({0x00, 0x40});  // 2
  for (int i = 0; i < 16; ++i) stored.push_back(static_cast<std::byte>(i | (15 - i) << 4));
  const auto values = block(WeightType::q4_0, stored);
  for (std::size_t i = 0; i < 16; ++i) {
    EXPECT_EQ(values[i], 2.0f * (static_cast<float>(i) - 8)) << i;
    EXPECT_EQ(values[i + 16], 2.0f * (7 - static_cast<float>(i))) << i;
  }
}

TEST(Dequantize, Q4_1IsScaleTimesCodePlusMinimum) {
  auto stored = bytes({0x00, 0x34, 0x00, 0xBC});  // 0.25, −1
  for (int i = 0; i < 16; ++i) stored.push_back(static_cast<std::byte>(i | (15 - i) << 4));
  const auto values = block(WeightType::q4_1, stored);
  for (std::size_t i = 0; i < 16; ++i) {
    EXPECT_EQ(values[i], 0.25f * static_cast<float>(i) - 1) << i;
    EXPECT_EQ(values[i + 16], 0.25f * static_cast<float>(15 - i) - 1) << i;
  }
}

TEST(Dequantize, FloatingPointTypesAreWidenedExactly) {
  std::array<float, 2> values;
  dequantize_row(WeightType::f32, bytes({0x00, 0x00, 0xC0, 0x3F, 0xDB, 0x0F, 0x49, 0x40}), values);
  EXPECT_THAT(values, ElementsAre(1.5f, 3.14159274f));
  dequantize_row(WeightType::f16, bytes({0x00, 0x3E, 0x01, 0x80}), values);
  EXPECT_THAT(values, ElementsAre(1.5f, -0x1p-24f));
  dequantize_row(WeightType::bf16, bytes({0xC0, 0x3F, 0x80, 0xFF}), values);
  EXPECT_THAT(values, ElementsAre(1.5f, -std::numeric_limits<float>::infinity()));
}

class Dequantized : public ::testing::TestWithParam<WeightType> {};

TEST_P(Dequantized, HasTheBitsOfTheGgufPackage) {
  const std::string name = PIPESPEC_SOURCE_DIR "/tests/ops/data/" + std::string(to_string(GetParam()));
  const auto stored = read_file<std::byte>(name + ".blocks");
  const auto expected = read_file<std::uint32_t>(name + ".float32");
  ASSERT_EQ(expected.size(), 1024);
  std::vector<float> values(expected.size());
  dequantize_row(GetParam(), stored, values);
  for (std::size_t i = 0; i < values.size(); ++i)
    ASSERT_EQ(std::bit_cast<std::uint32_t>(values[i]), expected[i]) << "weight " << i << ": " << values[i];
}

INSTANTIATE_TEST_SUITE_P(Types, Dequantized, ::testing::ValuesIn(all_weight_types), type_name);

TEST(Dequantize, ARowThatIsCutOffBreaksTheContract) {
  std::array<float, 32> values;
  EXPECT_THROW(dequantize_row(WeightType::q4_0, bytes({0, 0, 1}), values), ContractError);
  EXPECT_THROW(dequantize_row(WeightType::q8_0, std::vector<std::byte>(34), std::span(values).first(31)),
               ContractError);
}

TEST(RoundToBf16, GoesToTheNearestAndTiesToEven) {
  const std::array values{1.0f, 1.0f + 0x1p-8f, 1.0f + 0x1.8p-7f, 1.0f + 0x1.01p-8f, -1.0f - 0x1.01p-8f, 3.4e38f};
  std::array<std::uint16_t, 6> rounded;
  round_to_bf16(values, rounded);
  EXPECT_THAT(rounded, ElementsAre(0x3F80, 0x3F80, 0x3F82, 0x3F81, 0xBF81, 0x7F80));
}

TEST(RoundToBf16, KeepsNotANumber) {
  const std::array values{std::bit_cast<float>(0x7F800001u)};
  std::array<std::uint16_t, 1> rounded;
  round_to_bf16(values, rounded);
  EXPECT_TRUE(std::isnan(std::bit_cast<float>(std::uint32_t{rounded[0]} << 16)));
}

}  // namespace
}  // namespace pipespec::ops
