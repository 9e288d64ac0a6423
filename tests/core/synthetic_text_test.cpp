#include "core/synthetic_text.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace pipespec {
namespace {

using Prefix = SyntheticText::Prefix;

Prefix prefix_of(std::initializer_list<Token> tokens) {
  Prefix prefix = 0;
  for (const Token token : tokens) prefix = SyntheticText::extend(prefix, token);
  return prefix;
}

/// Calls `visit(prefix)` at `count` positions of the last stage's own text.
template <class Visit>
void walk(const SyntheticText& text, int count, Visit&& visit) {
  Prefix prefix = prefix_of({5, 6});
  for (int i = 0; i < count; ++i) {
    visit(prefix);
    prefix = SyntheticText::extend(prefix, text.next(text.stages() - 1, prefix));
  }
}

TEST(SyntheticText, EveryTokenOfThePrefixCountsAndItsPlaceToo) {
  const Prefix text = prefix_of({1, 2, 3});
  for (const Prefix other : {prefix_of({1, 2}), prefix_of({1, 2, 4}), prefix_of({0, 2, 3}), prefix_of({2, 1, 3}),
                             prefix_of({0, 1, 2, 3}), prefix_of({1, 2, 3, 0})}) {
    EXPECT_NE(text, other);
  }
  EXPECT_EQ(text, SyntheticText::extend(prefix_of({1, 2}), 3));
}

TEST(SyntheticText, EveryStageAgreesWithTheNextAsOftenAsIsSaid) {
  const SyntheticText text(1000, 0, {{0.6, 1}, {0.9, 1}, {0, 1}});
  constexpr int count = 100000;
  int lower = 0, upper = 0, both = 0;
  walk(text, count, [&](Prefix prefix) {
    const Token first = text.next(0, prefix), second = text.next(1, prefix), third = text.next(2, prefix);
    lower += first == second ? 1 : 0;
    upper += second == third ? 1 : 0;
    both += first == second && second == third ? 1 : 0;
  });
  const auto deviation = [](double p) { return 5 * std::sqrt(count * p * (1 - p)); };
  EXPECT_NEAR(lower, count * 0.6, deviation(0.6));
  EXPECT_NEAR(upper, count * 0.9, deviation(0.9));
  EXPECT_NEAR(both, count * 0.54, deviation(0.54)) << "the stages agree independently of each other";
}

TEST(SyntheticText, AgreementOfNoneAndOfAllIsExact) {
  const SyntheticText text(4, 0, {{0, 1}, {1, 2}, {0, 3}});
  walk(text, 10000, [&](Prefix prefix) {
    EXPECT_NE(text.next(0, prefix), text.next(1, prefix));
    EXPECT_EQ(text.next(1, prefix), text.next(2, prefix));
  });
}

TEST(SyntheticText, AllWordsAreEquallyLikelyAndATextWithoutMeanLengthNeverEnds) {
  const SyntheticText text(5, 0, {{0, 7}});
  constexpr int count = 100000;
  std::map<Token, int> seen;
  walk(text, count, [&](Prefix prefix) { ++seen[text.next(0, prefix)]; });
  EXPECT_EQ(seen.count(SyntheticText::end_token), 0U);
  ASSERT_EQ(seen.size(), 4U);
  for (const auto& [token, times] : seen) EXPECT_NEAR(times, count / 4, 5 * std::sqrt(count * 0.25 * 0.75)) << token;
}

TEST(SyntheticText, TextsEndAfterTheMeanLength) {
  const SyntheticText text(1000, 50, {{0, 7}});
  constexpr int count = 100000;
  int ends = 0;
  walk(text, count, [&](Prefix prefix) { ends += text.next(0, prefix) == SyntheticText::end_token ? 1 : 0; });
  EXPECT_NEAR(ends, count / 50, 5 * std::sqrt(count * 0.02));
}

TEST(SyntheticText, SeedsMakeOtherTexts) {
  const SyntheticText one(1000, 0, {{0.5, 1}, {0, 1}}), other(1000, 0, {{0.5, 1}, {0, 2}});
  EXPECT_NE(one.next(1, 1), other.next(1, 1));
}

}  // namespace
}  // namespace pipespec
