/// How long a stage waits for drafts, by what earlier waits have earned.
#include "decoding/wait_limit.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace pipespec::decoding {
namespace {

constexpr double hope = 0.5;  // seconds

/// A stage of which the stage below answers after so many seconds, with drafts that are worth so many.
struct Waiter {
  WaitLimit limit;
  double waited = 0;
  int waits = 0;

  void wait_for(double seconds, double worth) {
    const double most = limit.choose(hope);
    if (most == 0) return;
    ++waits;
    waited += std::min(seconds, most);
    seconds <= most ? limit.answered(seconds, worth / hope) : limit.broken_off(most);
  }

  void wait_for(int times, double seconds, double worth) {
    for (int i = 0; i < times; ++i) wait_for(seconds, worth);
  }
};

TEST(WaitLimit, IsWhatIsHopedWhileTooLittleIsKnown) {
  WaitLimit limit;
  EXPECT_EQ(limit.choose(hope), hope);
  limit.answered(0.01, 1);
  EXPECT_EQ(limit.choose(hope), hope);
}

TEST(WaitLimit, IsNoneWhereLessIsHopedThanAnswersCost) {
  Waiter waiter;
  waiter.wait_for(20, 0.2, 0.5);
  EXPECT_GT(waiter.limit.choose(0.25), 0);
  EXPECT_EQ(waiter.limit.choose(0.15), 0);
}

TEST(WaitLimit, IsNoneWhereDraftsAreWorthNothing) {
  WaitLimit limit;
  EXPECT_EQ(limit.choose(0), 0);
}

TEST(WaitLimit, CoversAnswersThatPay) {
  Waiter waiter;
  waiter.wait_for(20, 0.2, 0.5);
  EXPECT_GT(waiter.limit.choose(hope), 0.2);
  EXPECT_LT(waiter.limit.choose(hope), 0.3);
}

TEST(WaitLimit, IsNoneWhereAnswersCostMoreThanTheyAreWorth) {
  Waiter waiter;
  waiter.wait_for(20, 0.2, 0.1);
  EXPECT_EQ(waiter.limit.choose(hope), 0);
}

TEST(WaitLimit, EndsBeforeTheAnswersThatDoNotPay) {
  Waiter waiter;
  for (int i = 0; i < 20; ++i) {
    waiter.wait_for(0.02, 0.5);  // a copy
    waiter.wait_for(0.4, 0.1);   // there was none
  }
  EXPECT_GT(waiter.limit.choose(hope), 0.02);
  EXPECT_LT(waiter.limit.choose(hope), 0.04);
}

TEST(WaitLimit, WaitsForLateAnswersThatPay) {
  WaitLimit limit;
  for (int i = 0; i < 10; ++i) {
    limit.answered(0.02, 1);
    limit.answered(0.4, 1.8);
  }
  EXPECT_GT(limit.choose(hope), 0.4);
}

TEST(WaitLimit, AWaitThatWasBrokenOffTellsNothingOfLaterAnswers) {
  WaitLimit limit;
  for (int i = 0; i < 20; ++i) limit.broken_off(0.01);
  for (int i = 0; i < 10; ++i) limit.answered(0.4, 1.8);
  EXPECT_GT(limit.choose(hope), 0.4);
}

TEST(WaitLimit, TriesAgainEverMoreRarelyWhereNoAnswerComes) {
  Waiter waiter;
  waiter.wait_for(1000, 100, 1);
  EXPECT_LT(waiter.waits, 20);
  const int before = waiter.waits;
  waiter.wait_for(4000, 100, 1);
  EXPECT_GE(waiter.waits - before, 4);
  EXPECT_LE(waiter.waits - before, 8);
}

TEST(WaitLimit, FindsOutThatAnswersHaveBecomeFast) {
  Waiter waiter;
  waiter.wait_for(300, 100, 1);
  waiter.wait_for(3000, 0.01, 1);
  const int before = waiter.waits;
  waiter.wait_for(100, 0.01, 1);
  EXPECT_EQ(waiter.waits - before, 100);
}

TEST(WaitLimit, TriesAgainSoonAfterAnAnswerThatIsWorthSomething) {
  Waiter waiter;
  waiter.wait_for(30000, 100, 1);  // until all that is remembered was broken off
  waiter.wait_for(800, 0.05, 1);   // one answer alone does not tell that waits pay
  const int before = waiter.waits;
  waiter.wait_for(100, 0.05, 1);
  EXPECT_EQ(waiter.waits - before, 100);
}

TEST(WaitLimit, CountsTheTimeBeyondTheAnswerThatItCovers) {
  WaitLimit limit;
  for (int i = 0; i < 10; ++i) {
    limit.answered(0.2, 0.84);  // in half of the waits: earns 0.21 s a wait, and costs 0.2
    limit.answered(1, 0);
  }
  EXPECT_EQ(limit.choose(hope), 0);
}

TEST(WaitLimit, ForgetsAnswersThatHaveBecomeSlow) {
  Waiter waiter;
  waiter.wait_for(100, 0.1, 1);
  waiter.waited = 0;
  waiter.wait_for(1000, 100, 1);
  EXPECT_LT(waiter.waited, 20);
}

}  // namespace
}  // namespace pipespec::decoding
