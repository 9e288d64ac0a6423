#include "app/cards.hpp"

#include <gtest/gtest.h>

namespace pipespec::app {
namespace {

constexpr std::int64_t gib = std::int64_t{1} << 30;

TEST(Cards, ARankLeavesATwentiethOfItsCardFree) {
  EXPECT_TRUE(holds(40, 38 * gib));
  EXPECT_FALSE(holds(40, 38 * gib + 1));
}

TEST(Cards, TheSmallestThatHoldsTheRankIsNamed) {
  EXPECT_EQ(smallest_card(1), 40);
  EXPECT_EQ(smallest_card(39 * gib), 80);
  EXPECT_EQ(smallest_card(77 * gib), 141);
  EXPECT_EQ(smallest_card(134 * gib), std::nullopt);
}

}  // namespace
}  // namespace pipespec::app
