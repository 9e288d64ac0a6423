#include "pipeline/patience.hpp"

#include <gtest/gtest.h>

namespace pipespec::pipeline {
namespace {

/// One step with a pass of 1 s: waits until the answer or until patience ends, and returns how long.
double wait_for(Patience& patience, double answer) {
  constexpr double tick = 0.001;
  double waited = 0;
  while (waited < answer && patience.holds_back(waited)) waited += tick;
  if (waited >= answer) patience.answered(waited);
  patience.passed(1.0);
  return waited;
}

TEST(Patience, WaitsForAnAnswerThatComesSoon) {
  Patience patience;
  patience.passed(1.0);
  for (int i = 0; i < 100; ++i) EXPECT_NEAR(wait_for(patience, 0.02), 0.02, 0.002);
}

TEST(Patience, NeverWaitsLongerThanASmallPartOfAPass) {
  Patience patience;
  patience.passed(1.0);
  for (int i = 0; i < 100; ++i) EXPECT_LT(wait_for(patience, 10.0), 0.16);
}

TEST(Patience, StopsWaitingWhereAnswersAreSlow) {
  Patience patience;
  patience.passed(1.0);
  double waited = 0;
  for (int i = 0; i < 1000; ++i) waited += wait_for(patience, 10.0);
  EXPECT_LT(waited / 1000, 0.01);  // a percent of the passes' time
}

TEST(Patience, FindsOutWhenAnswersBecomeFast) {
  Patience patience;
  patience.passed(1.0);
  for (int i = 0; i < 100; ++i) wait_for(patience, 10.0);
  int answered = 0;
  for (int i = 0; i < 1000; ++i) answered += wait_for(patience, 0.02) >= 0.02 ? 1 : 0;
  EXPECT_GT(answered, 500);
}

TEST(Patience, AStepThatNeedNotWaitIsNotHeldBack) {
  Patience patience;
  patience.passed(1.0);
  patience.answered(5.0);  // there was nothing to wait for
  EXPECT_TRUE(patience.holds_back(6.0));
}

}  // namespace
}  // namespace pipespec::pipeline
