#include "ops/argmax.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace pipespec::ops {
namespace {

Best best_of(std::vector<float> logits, Token first_token = 0) {
  Best best{};
  argmax({logits.data(), 1, static_cast<std::int64_t>(logits.size())}, first_token, {&best, 1});
  return best;
}

TEST(Argmax, FindsTheLargestAndItsToken) {
  const Best best = best_of({1.0f, -2.0f, 5.0f, 4.0f}, 100);
  EXPECT_EQ(best.token, 102);
  EXPECT_EQ(best.value, 5.0f);
}

TEST(Argmax, TiesGoToTheLowerToken) {
  EXPECT_EQ(best_of({1.0f, 7.0f, 7.0f, 7.0f}).token, 1);
}

TEST(Argmax, ZerosOfEitherSignAreEqual) {
  EXPECT_EQ(best_of({-0.0f, 0.0f}).token, 0);
}

TEST(Argmax, NotANumberIsNeverTheLargest) {
  EXPECT_EQ(best_of({std::nanf(""), -3.0f, std::nanf("")}).token, 1);
  EXPECT_EQ(best_of({std::nanf(""), std::nanf("")}, 9).token, 9);
}

TEST(Argmax, BetterIsLargerThenLower) {
  EXPECT_TRUE(better({2.0f, 9}, {1.0f, 3}));
  EXPECT_TRUE(better({2.0f, 3}, {2.0f, 9}));
  EXPECT_FALSE(better({2.0f, 9}, {2.0f, 9}));
}

}  // namespace
}  // namespace pipespec::ops
