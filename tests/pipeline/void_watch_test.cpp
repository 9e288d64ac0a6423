#include "pipeline/void_watch.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace pipespec::pipeline {
namespace {

constexpr double pass = 0.02;  // seconds

/// As many passes, the first so many of every `of` void, each with a look at its end that costs so many seconds.
VoidWatch experienced(double cost, int voided, int of) {
  VoidWatch watch;
  for (int i = 0; i < 100 * of; ++i) {
    watch.begin_pass(0, pass);
    watch.looked(pass, pass + cost);
    watch.end_pass(i % of < voided);
  }
  return watch;
}

/// When the looks of a pass begin that is not void, with a layer every `layer` seconds and looks that take `cost`.
std::vector<double> looks(VoidWatch watch, double cost, double expected = pass, double layer = 1e-5) {
  std::vector<double> times;
  watch.begin_pass(0, expected);
  for (double now = layer; now < 2 * pass; now += layer) {
    if (!watch.is_due(now)) continue;
    times.push_back(now);
    watch.looked(now, now + cost);
    now += cost;
  }
  return times;
}

TEST(VoidWatch, LooksAtTheIntervalThatLosesTheLeastTime) {
  constexpr double cost = 25e-6;
  const std::vector<double> times = looks(experienced(cost, 1, 1), cost);
  ASSERT_FALSE(times.empty());
  EXPECT_NEAR(times[0], std::sqrt(2 * cost * pass), 2e-5) << "a millisecond";
  for (std::size_t i = 1; i < times.size(); ++i) EXPECT_NEAR(times[i] - times[i - 1], times[0], 1e-4);
  EXPECT_LE(times.back(), pass - times[0] / 2) << "what is left is worth a look";
  EXPECT_GE(times.back(), pass - 2 * times[0]);
}

TEST(VoidWatch, LooksLessOftenWhereLessIsVoid) {
  constexpr double cost = 25e-6;
  EXPECT_NEAR(looks(experienced(cost, 1, 4), cost)[0], 2 * looks(experienced(cost, 1, 1), cost)[0], 2e-4);
}

TEST(VoidWatch, DoesNotLookWhereThatCostsMoreThanItSaves) {
  EXPECT_FALSE(looks(experienced(pass / 8, 1, 1), 0).empty());
  EXPECT_TRUE(looks(experienced(pass / 4, 1, 1), 0).empty());
  EXPECT_TRUE(looks(experienced(pass / 8, 1, 4), 0).empty());
}

TEST(VoidWatch, DoesNotLookBeforeAPassWasVoid) {
  EXPECT_TRUE(looks(VoidWatch(), 0).empty());
  EXPECT_TRUE(looks(experienced(1e-6, 0, 1), 0).empty());
}

TEST(VoidWatch, DoesNotLookInAPassOfUnknownLength) {
  EXPECT_TRUE(looks(experienced(1e-6, 1, 1), 0, 0).empty());
}

}  // namespace
}  // namespace pipespec::pipeline
