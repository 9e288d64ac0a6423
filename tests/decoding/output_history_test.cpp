#include "decoding/output_history.hpp"

#include <gmock/gmock.h>

namespace pipespec::decoding {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

OutputHistory history_of(std::vector<std::vector<Token>> outputs, std::size_t capacity = 1000) {
  OutputHistory history(capacity);
  for (const std::vector<Token>& output : outputs) history.add(output);
  return history;
}

TEST(AnOutputHistory, TellsWhatFollowedTheSameTokens) {
  const auto history = history_of({{1, 2, 3, 4, 5}});
  const auto match = history.find(std::vector<Token>{9, 2, 3}, 10);
  EXPECT_EQ(match.length, 2);
  EXPECT_THAT(match.next, ElementsAre(4, 5));
}

TEST(AnOutputHistory, AsksForTwoTokens) {
  const auto history = history_of({{1, 2, 3, 4, 5}});
  EXPECT_EQ(history.find(std::vector<Token>{9, 3}, 10).length, 0);
  EXPECT_EQ(history.find(std::vector<Token>{3}, 10).length, 0);
  EXPECT_EQ(history.find(std::vector<Token>{2, 3}, 1).length, 0);
}

TEST(AnOutputHistory, PrefersTheLongestMatchAndThenTheLatest) {
  const auto history = history_of({{1, 2, 3, 50}, {9, 2, 3, 60}, {8, 2, 3, 70}});
  const std::vector<Token> text{0, 1, 2, 3};
  EXPECT_THAT(history.find(text, 10).next, ElementsAre(50));
  EXPECT_EQ(history.find(text, 10).length, 3);
  EXPECT_THAT(history.find(text, 2).next, ElementsAre(70)) << "longer matches are not looked at";
}

TEST(AnOutputHistory, KeepsOutputsApart) {
  const auto history = history_of({{1, 2}, {3, 4, 5}});
  EXPECT_EQ(history.find(std::vector<Token>{1, 2}, 10).length, 0) << "nothing follows";
  EXPECT_EQ(history.find(std::vector<Token>{2, 3}, 10).length, 0);
  EXPECT_THAT(history.find(std::vector<Token>{2, 3, 4}, 10).next, ElementsAre(5));
  EXPECT_EQ(history.find(std::vector<Token>{2, 3, 4}, 10).length, 2) << "the 2 is of another output";
}

TEST(AnOutputHistory, ForgetsTheOldest) {
  OutputHistory history(10);
  history.add(std::vector<Token>{1, 2, 3});
  for (int i = 0; i < 6; ++i) history.add(std::vector<Token>{7, 8, 9});
  EXPECT_EQ(history.find(std::vector<Token>{1, 2}, 10).length, 0);
  EXPECT_THAT(history.find(std::vector<Token>{7, 8}, 10).next, ElementsAre(9));
}

TEST(AnOutputHistory, TakesTheEndOfAnOutputThatIsTooLong) {
  const auto history = history_of({{1, 2, 3, 4, 5, 6}}, 3);
  EXPECT_EQ(history.find(std::vector<Token>{1, 2}, 10).length, 0);
  EXPECT_THAT(history.find(std::vector<Token>{4, 5}, 10).next, ElementsAre(6));
}

TEST(AnOutputHistory, OfNoTokensStaysEmpty) {
  EXPECT_THAT(history_of({{1, 2, 3, 4}}, 0).find(std::vector<Token>{1, 2}, 10).next, IsEmpty());
}

}  // namespace
}  // namespace pipespec::decoding
