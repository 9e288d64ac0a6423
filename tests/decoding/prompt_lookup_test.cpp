#include <gmock/gmock.h>

#include "core/error.hpp"
#include "decoding/drafter.hpp"

namespace pipespec::decoding {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<Token> propose(PromptLookup::Options options, const std::vector<Token>& view, int max_tokens) {
  return PromptLookup(options).propose(view, max_tokens).tokens;
}

TEST(PromptLookup, ProposesWhatFollowedTheSameTokensBefore) {
  EXPECT_THAT(propose({}, {1, 2, 3, 4, 5, 9, 1, 2}, 4), ElementsAre(3, 4, 5, 9));
}

TEST(PromptLookup, HasNoGuessWhereTheLastTokensAreNew) {
  EXPECT_THAT(propose({}, {1, 2, 3, 4}, 4), IsEmpty());
  EXPECT_THAT(propose({}, {}, 4), IsEmpty());
  EXPECT_THAT(propose({}, {1}, 4), IsEmpty());
}

TEST(PromptLookup, AsksForAtLeastMinMatchTokens) {
  const std::vector<Token> view{7, 2, 3, 4, 8, 2};
  EXPECT_THAT(propose({.min_match = 2}, view, 4), IsEmpty());
  EXPECT_THAT(propose({.min_match = 1}, view, 4), ElementsAre(3, 4, 8, 2));
}

TEST(PromptLookup, PrefersTheLongestMatch) {
  EXPECT_THAT(propose({}, {1, 2, 3, 50, 9, 2, 3, 60, 1, 2, 3}, 1), ElementsAre(50));
}

TEST(PromptLookup, PrefersTheLatestAmongEqualMatches) {
  EXPECT_THAT(propose({}, {1, 2, 50, 1, 2, 60, 1, 2}, 1), ElementsAre(60));
  EXPECT_THAT(propose({.max_match = 2}, {1, 2, 3, 50, 9, 2, 3, 60, 1, 2, 3}, 1), ElementsAre(60))
      << "longer matches are not looked at";
}

TEST(PromptLookup, ProposesNoMoreThanAskedFor) {
  const std::vector<Token> view{1, 2, 3, 4, 5, 1, 2};
  EXPECT_THAT(propose({}, view, 2), ElementsAre(3, 4));
  EXPECT_THAT(propose({}, view, 1), ElementsAre(3));
  EXPECT_THAT(propose({}, view, 0), IsEmpty());
}

TEST(PromptLookup, ExpectsATextThatRepeatsToGoOnRepeating) {
  EXPECT_THAT(propose({}, {5, 5, 5}, 4), ElementsAre(5, 5, 5, 5));
  EXPECT_THAT(propose({}, {7, 8, 9, 7, 8, 9}, 5), ElementsAre(7, 8, 9, 7, 8));
  EXPECT_THAT(propose({}, {5, 5, 5}, 100), SizeIs(100)) << "a whole copy at once";
}

TEST(PromptLookup, IsTheSurerTheMoreTokensAreTheSame) {
  const Guess guess = PromptLookup({}).propose(std::vector<Token>{1, 2, 3, 4, 5, 9, 2, 3}, 3);
  EXPECT_THAT(guess.tokens, ElementsAre(4, 5, 9));
  EXPECT_THAT(guess.confidences, ElementsAre(Confidence::of_match(2), Confidence::of_match(3), Confidence::of_match(4)))
      << "the second token is offered in case the first is right";
}

TEST(PromptLookup, LooksInEarlierOutputsForLongerMatches) {
  PromptLookup lookup({.history = 100});
  const std::vector<Token> view{2, 3, 60, 1, 2, 3};
  EXPECT_THAT(lookup.propose(view, 4).tokens, ElementsAre(60, 1, 2, 3));
  lookup.learn(std::vector<Token>{9, 2, 3, 70});
  EXPECT_THAT(lookup.propose(view, 4).tokens, ElementsAre(60, 1, 2, 3)) << "the view's own match is as long";
  lookup.learn(std::vector<Token>{1, 2, 3, 50, 51});
  const Guess guess = lookup.propose(view, 100);
  EXPECT_THAT(guess.tokens, ElementsAre(50, 51)) << "an output that ends has nothing to go on with";
  EXPECT_THAT(guess.confidences, ElementsAre(Confidence::of_match(3), Confidence::of_match(4)));
  EXPECT_THAT(lookup.propose(view, 1).tokens, ElementsAre(50));
}

TEST(PromptLookup, LearnsNothingWithoutAHistory) {
  PromptLookup lookup({});
  lookup.learn(std::vector<Token>{1, 2, 3, 50, 51});
  EXPECT_THAT(lookup.propose(std::vector<Token>{1, 2, 3}, 100).tokens, IsEmpty());
}

TEST(PromptLookup, AsksForMinMatchTokensOfAnEarlierOutputAsWell) {
  PromptLookup lookup({.min_match = 3, .history = 100});
  lookup.learn(std::vector<Token>{2, 3, 50});
  EXPECT_THAT(lookup.propose(std::vector<Token>{1, 2, 3}, 100).tokens, IsEmpty());
}

TEST(PromptLookup, RefusesOptionsThatCannotMatch) {
  EXPECT_THROW(PromptLookup({.min_match = 0}), ContractError);
  EXPECT_THROW(PromptLookup({.min_match = 3, .max_match = 2}), ContractError);
  EXPECT_THROW(PromptLookup({.history = -1}), ContractError);
}

}  // namespace
}  // namespace pipespec::decoding
