/// A stage's life with several sequences: routing, turns, start, end and shutdown. End token 0.
#include "decoding/stage.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"
#include "support/message_text.hpp"

namespace pipespec::decoding {
namespace {

using pipespec::testing::to_text;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Stage stage(int index, int stages) {
  StageOptions options;
  options.index = {index};
  options.stages = stages;
  options.end_tokens = {0};
  return Stage(options);
}

std::vector<std::string> sent(Stage& stage) {
  return to_text(stage.take_outgoing());
}

Start start(int sequence) {
  return {{sequence}, 100, {1, 2, 3}};
}

TEST(AStage, StartsASequenceEverywhereFromTheTarget) {
  Stage target = stage(2, 3);
  const SequenceId first = target.start({1, 2}, 10);
  EXPECT_THAT(sent(target), ElementsAre("start to 0: 1 2", "start to 1: 1 2"));
  EXPECT_LT(first, target.start({3}, 10));
  EXPECT_THAT(target.live(), SizeIs(2));
}

TEST(AStage, OfALaterChainNumbersItsSequencesOn) {
  StageOptions options;
  options.stages = 1;
  Stage alone(options, {7});
  EXPECT_TRUE(alone.is_over({7}));
  const SequenceId sequence = alone.start({1}, 10);
  EXPECT_EQ(sequence, SequenceId{8});
  EXPECT_FALSE(alone.is_over(sequence));
  alone.finish(sequence);
  EXPECT_TRUE(alone.is_over(sequence));
}

TEST(AStage, BelowTheTargetStartsNothing) {
  Stage drafter = stage(0, 2);
  EXPECT_THROW(drafter.start({1}, 10), ContractError);
}

TEST(AStage, KeepsMessagesThatOvertakeTheStartOfTheirSequence) {
  Stage middle = stage(1, 3);
  middle.receive({0}, Tokens{{1}, 0, 3, 0, {4, 5}});
  EXPECT_THAT(middle.live(), IsEmpty());
  middle.receive({2}, start(1));
  EXPECT_THAT(middle.find({1})->drafts(), ElementsAre(4, 5));
}

TEST(AStage, TakesMessagesFromTheRightNeighbourOnly) {
  Stage middle = stage(1, 3);
  middle.receive({2}, start(1));
  EXPECT_THROW(middle.receive({2}, Tokens{{1}, 0, 3, 0, {4}}), ContractError);
  EXPECT_THROW(middle.receive({0}, Progress{{1}, 3, 3, {4}}), ContractError);
}

TEST(AStage, FinishesASequenceEverywhereAndTellsHowItsDraftsFared) {
  Stage target = stage(1, 2);
  const SequenceId sequence = target.start({1}, 10);
  target.take_outgoing();
  target.finish(sequence);
  EXPECT_THAT(sent(target), ElementsAre("finish to 0"));
  EXPECT_EQ(target.find(sequence), nullptr);
  const auto ended = target.take_ended();
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(ended[0].sequence, sequence);
}

TEST(AStage, IgnoresMessagesOfAFinishedSequence) {
  Stage middle = stage(1, 3);
  middle.receive({2}, start(1));
  middle.receive({2}, Finish{{1}});
  const auto before = middle.digest();
  middle.receive({0}, Tokens{{1}, 0, 3, 0, {4}});
  middle.receive({2}, Correction{{1}, 1, 3, 3, {4}});
  middle.receive({2}, Finish{{1}});
  EXPECT_EQ(middle.digest(), before);
  EXPECT_THAT(sent(middle), IsEmpty());
}

TEST(AStage, VoidsWorkOfASequenceThatFinishedMeanwhile) {
  Stage drafter = stage(0, 2);
  drafter.receive({1}, start(1));
  const auto pass = std::get<Pass>(drafter.next_work().value());
  drafter.receive({1}, Finish{{1}});
  EXPECT_TRUE(drafter.complete(pass, std::vector<Token>{4}).void_);
  EXPECT_THAT(sent(drafter), IsEmpty());
}

TEST(AStage, ServesItsSequencesInTurn) {
  Stage drafter = stage(0, 2);
  for (int s = 1; s <= 3; ++s) drafter.receive({1}, start(s));
  std::vector<int> served;
  for (int i = 0; i < 6; ++i) {
    const auto pass = std::get<Pass>(drafter.next_work().value());
    served.push_back(pass.sequence.value);
    drafter.complete(pass, std::vector<Token>{4});
  }
  EXPECT_THAT(served, ElementsAre(1, 2, 3, 1, 2, 3));
}

TEST(AStage, ExpectsDraftsForTheSequenceThatIsNext) {
  Stage target = stage(1, 2);
  const SequenceId first = target.start({1}, 10);
  EXPECT_TRUE(target.expects_drafts());
  target.receive({0}, Tokens{first, 0, 1, 0, {4}});
  EXPECT_FALSE(target.expects_drafts());
}

TEST(AStage, CopyStandsAlone) {
  Stage drafter = stage(0, 2);
  drafter.receive({1}, start(1));
  const Stage copy = drafter;
  EXPECT_EQ(copy.digest(), drafter.digest());
  drafter.complete(std::get<Pass>(drafter.next_work().value()), std::vector<Token>{4});
  EXPECT_NE(copy.digest(), drafter.digest());
  EXPECT_THAT(copy.find({1})->view(), ElementsAre(1, 2, 3));
}

// ----------------------------------------------------------------------------------------------------- shutdown

TEST(Shutdown, ClosesAStageWithoutNeighboursAtOnce) {
  Stage alone = stage(0, 1);
  EXPECT_FALSE(alone.is_closed());
  alone.shut_down();
  EXPECT_TRUE(alone.is_closed());
}

TEST(Shutdown, ReachesEveryStageAndIsAnsweredOnEveryLink) {
  Stage target = stage(2, 3);
  Stage middle = stage(1, 3);
  Stage drafter = stage(0, 3);
  target.shut_down();
  EXPECT_THAT(sent(target), ElementsAre("shutdown to 0", "shutdown to 1"));
  drafter.receive({2}, Shutdown{});
  EXPECT_THAT(sent(drafter), ElementsAre("shutdown to 1"));
  EXPECT_FALSE(drafter.is_closed()) << "stage 1 may still send";
  middle.receive({0}, Shutdown{});
  EXPECT_THAT(sent(middle), IsEmpty()) << "the target has not spoken";
  middle.receive({2}, Shutdown{});
  EXPECT_THAT(sent(middle), ElementsAre("shutdown to 0", "shutdown to 2"));
  EXPECT_TRUE(middle.is_closed());
  drafter.receive({1}, Shutdown{});
  EXPECT_TRUE(drafter.is_closed());
  target.receive({1}, Shutdown{});
  EXPECT_TRUE(target.is_closed());
}

TEST(Shutdown, WaitsForTheLastSequence) {
  Stage target = stage(1, 2);
  target.start({1}, 10);
  EXPECT_THROW(target.shut_down(), ContractError);
}

TEST(Shutdown, LetsNothingStartAfterwards) {
  Stage target = stage(1, 2);
  target.shut_down();
  EXPECT_THROW(target.start({1}, 10), ContractError);
}

}  // namespace
}  // namespace pipespec::decoding
