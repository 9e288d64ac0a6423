#include "model/synthetic_model.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"

namespace pipespec::model {
namespace {

SyntheticModel make_model(const SyntheticTimes& times = {}, int slots = 1) {
  return {SyntheticText(1000, 0, {{0.8, 1}, {0, 2}}), 0, times, slots, 64};
}

std::vector<Token> tokens_up_to(int count) {
  std::vector<Token> tokens(count);
  std::iota(tokens.begin(), tokens.end(), 1);
  return tokens;
}

/// The next token after each token of `tokens`, in passes of `chunk` rows.
std::vector<Token> outputs(SyntheticModel& model, Slot slot, std::span<const Token> tokens, std::size_t chunk) {
  std::vector<Token> all;
  while (!tokens.empty()) {
    const auto rows = tokens.first(std::min(chunk, tokens.size()));
    std::vector<Token> next(rows.size());
    const Segment segment{slot, model.length(slot), rows, static_cast<int>(rows.size())};
    model.forward({&segment, 1}, next);
    all.insert(all.end(), next.begin(), next.end());
    tokens = tokens.subspan(rows.size());
  }
  return all;
}

TEST(SyntheticModel, SaysWhatItsTextSays) {
  const SyntheticText text(1000, 0, {{0.8, 1}, {0, 2}});
  for (const int stage : {0, 1}) {
    SyntheticModel model(text, stage, {}, 1, 64);
    const std::vector<Token> tokens = tokens_up_to(20);
    const std::vector<Token> next = outputs(model, 0, tokens, 20);
    SyntheticText::Prefix prefix = 0;
    for (int i = 0; i < 20; ++i) {
      prefix = SyntheticText::extend(prefix, tokens[i]);
      EXPECT_EQ(next[i], text.next(stage, prefix));
    }
  }
}

TEST(SyntheticModel, GoesOnFromWhatAnotherSlotHolds) {
  const std::vector<Token> tokens = tokens_up_to(64);
  SyntheticModel model = make_model({}, 2);
  const std::vector<Token> expected = outputs(model, 0, tokens, 64);
  EXPECT_EQ(model.share(0, 1, 63), 0) << "whole blocks";
  EXPECT_EQ(model.share(0, 1, 64), 64);
  model.truncate(1, 40);
  EXPECT_EQ(outputs(model, 1, std::span(tokens).subspan(40), 5), std::vector(expected.begin() + 40, expected.end()));
  EXPECT_EQ(model.length(0), 64);
}

TEST(SyntheticModel, ARowDoesNotDependOnItsNeighbours) {
  const std::vector<Token> tokens = tokens_up_to(40);
  SyntheticModel whole = make_model();
  const std::vector<Token> expected = outputs(whole, 0, tokens, 40);
  for (const std::size_t chunk : {1, 3, 16}) {
    SyntheticModel model = make_model();
    EXPECT_EQ(outputs(model, 0, tokens, chunk), expected);
  }
}

TEST(SyntheticModel, ACutCacheForgetsAndAWrongOneShows) {
  const std::vector<Token> tokens = tokens_up_to(10);
  SyntheticModel model = make_model();
  const std::vector<Token> expected = outputs(model, 0, tokens, 10);
  model.truncate(0, 4);
  EXPECT_EQ(model.length(0), 4);
  const std::vector<Token> rest = outputs(model, 0, std::span(tokens).subspan(4), 6);
  EXPECT_EQ(rest, std::vector<Token>(expected.begin() + 4, expected.end()));
  model.truncate(0, 3);
  EXPECT_NE(outputs(model, 0, std::span(tokens).subspan(4), 6), rest) << "one token is missing";
  EXPECT_THROW(model.truncate(0, 11), ContractError);
}

TEST(SyntheticModel, SegmentsOfAPassDoNotMix) {
  const std::vector<Token> first = tokens_up_to(5), second = {9, 8, 7};
  SyntheticModel alone = make_model(), together = make_model({}, 2);
  std::vector<Token> expected = outputs(alone, 0, first, 5);
  alone.truncate(0, 0);
  const std::vector<Token> of_second = outputs(alone, 0, second, 3);
  expected.erase(expected.begin(), expected.begin() + 3);
  expected.push_back(of_second.back());
  std::vector<Token> next(3);
  const Segment segments[] = {{0, 0, first, 2}, {1, 0, second, 1}};
  together.forward(segments, next);
  EXPECT_EQ(next, expected);
}

TEST(SyntheticModel, APassTakesAtLeastItsTime) {
  SyntheticModel model = make_model({.pass = 0.004, .row = 0.001});
  const double begin = steady_seconds();
  outputs(model, 0, tokens_up_to(6), 3);
  EXPECT_GE(steady_seconds() - begin, 2 * 0.004 + 6 * 0.001);
}

TEST(SyntheticModel, APassThatIsNotWantedAnyMoreLeavesNothingBehind) {
  const std::vector<Token> tokens = tokens_up_to(10);
  SyntheticModel model = make_model({.pass = 10});
  std::vector<Token> next(1);
  const Segment segment{0, 0, tokens, 1};
  int asked = 0;
  const double begin = steady_seconds();
  EXPECT_FALSE(model.forward({&segment, 1}, next, [&] { return ++asked < 3; }));
  EXPECT_LT(steady_seconds() - begin, 5);
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(model.length(0), 0);
}

TEST(SyntheticModel, ContractsOfTheInterfaceHold) {
  SyntheticModel model = make_model();
  const std::vector<Token> tokens = tokens_up_to(65);
  std::vector<Token> next(1);
  const Segment gap{0, 1, tokens, 1}, long_one{0, 0, tokens, 1};
  EXPECT_THROW(model.forward({&gap, 1}, next), ContractError);
  EXPECT_THROW(model.forward({&long_one, 1}, next), ContractError);
}

}  // namespace
}  // namespace pipespec::model
