#include "io/ggml_type.hpp"

#include <gmock/gmock.h>

#include <set>

namespace pipespec::io {
namespace {

TEST(GgmlType, IsFoundByTheNumberInTheFile) {
  ASSERT_NE(find_ggml_type(3), nullptr);
  EXPECT_EQ(find_ggml_type(3)->name, "Q4_1");
  ASSERT_NE(find_ggml_type(30), nullptr);
  EXPECT_EQ(find_ggml_type(30)->name, "BF16");
}

TEST(GgmlType, NumbersThatWereWithdrawnOrNeverGivenAreUnknown) {
  for (const std::uint32_t number : {4U, 5U, 31U, 33U, 36U, 38U, 42U, 0xffffffffU})
    EXPECT_EQ(find_ggml_type(number), nullptr) << number;
}

TEST(GgmlType, EveryTypeHasANameAndALayoutOfItsOwn) {
  std::set<std::string_view> names;
  for (std::uint32_t number = 0; number < 42; ++number) {
    const auto* type = find_ggml_type(number);
    if (type == nullptr) continue;
    EXPECT_EQ(static_cast<std::uint32_t>(type->type), number);
    EXPECT_GT(type->block_bytes, 0);
    EXPECT_TRUE(names.insert(type->name).second) << type->name;
  }
  EXPECT_EQ(names.size(), 34U);
}

// Bits per weight as ggml's documentation of the formats quotes them.
TEST(GgmlType, LayoutsHaveThePublishedBitsPerWeight) {
  const auto bits = [](GgmlType type) {
    return 8.0 * static_cast<double>(info(type).block_bytes) / static_cast<double>(info(type).block_length);
  };
  EXPECT_EQ(bits(GgmlType::q4_0), 4.5);
  EXPECT_EQ(bits(GgmlType::q4_1), 5.0);
  EXPECT_EQ(bits(GgmlType::q8_0), 8.5);
  EXPECT_EQ(bits(GgmlType::q2_k), 2.625);
  EXPECT_EQ(bits(GgmlType::q3_k), 3.4375);
  EXPECT_EQ(bits(GgmlType::q4_k), 4.5);
  EXPECT_EQ(bits(GgmlType::q5_k), 5.5);
  EXPECT_EQ(bits(GgmlType::q6_k), 6.5625);
  EXPECT_EQ(bits(GgmlType::iq2_xxs), 2.0625);
  EXPECT_EQ(bits(GgmlType::tq1_0), 1.6875);
  EXPECT_EQ(bits(GgmlType::bf16), 16.0);
}

}  // namespace
}  // namespace pipespec::io
