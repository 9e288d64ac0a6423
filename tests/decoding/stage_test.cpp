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
using ::testing::Pair;
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

/// The sequences of the next pass, in order, and the pass's rows of each.
using Rows = std::vector<std::pair<int, int>>;

/// A pass of whatever is chosen, whose model says 4 to everything.
Rows step(Stage& stage, std::span<const Choice> choices) {
  Rows rows;
  for (const Work& work : stage.next_work(choices)) {
    const Pass& pass = std::get<Pass>(work);
    rows.emplace_back(pass.sequence.value, static_cast<int>(pass.tokens.size()));
    stage.complete(pass, std::vector<Token>(pass.outputs, 4));
  }
  return rows;
}

Rows step(Stage& stage) {
  std::vector<Choice> all;
  for (const Candidate& candidate : stage.candidates()) all.push_back({candidate.sequence, candidate.drafts});
  return step(stage, all);
}

Stage with_rows(int max_rows, int sequences, Position prompt = 3) {
  StageOptions options;
  options.stages = 2;
  options.max_rows = max_rows;
  Stage drafter(options);
  for (int s = 1; s <= sequences; ++s) drafter.receive({1}, Start{{s}, 1000, std::vector<Token>(prompt, 1)});
  return drafter;
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

TEST(AStage, TellsOfAFinishedSequenceWhatIsTheTargets) {
  Stage drafter = stage(0, 2);
  drafter.receive({1}, Start{{1}, 10, {1, 2}});
  drafter.receive({1}, Progress{{1}, 2, 4, {3, 4, 5}});
  drafter.receive({1}, Finish{{1}});
  EXPECT_THAT(drafter.take_ended().at(0).output, ElementsAre(3, 4)) << "not the 5, a guess of the stage above";
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
  const auto pass = std::get<Pass>(drafter.next_work().at(0));
  drafter.receive({1}, Finish{{1}});
  EXPECT_TRUE(drafter.complete(pass, std::vector<Token>{4}).void_);
  EXPECT_THAT(sent(drafter), IsEmpty());
}

TEST(AStage, CopyStandsAlone) {
  Stage drafter = stage(0, 2);
  drafter.receive({1}, start(1));
  const Stage copy = drafter;
  EXPECT_EQ(copy.digest(), drafter.digest());
  drafter.complete(std::get<Pass>(drafter.next_work().at(0)), std::vector<Token>{4});
  EXPECT_NE(copy.digest(), drafter.digest());
  EXPECT_THAT(copy.find({1})->view(), ElementsAre(1, 2, 3));
}

// ------------------------------------------------------------------------------------------------------- batches

TEST(APass, HasTheRowsOfAllSequences) {
  Stage drafter = with_rows(128, 3);
  EXPECT_THAT(step(drafter), ElementsAre(Pair(1, 3), Pair(2, 3), Pair(3, 3)));
  EXPECT_THAT(step(drafter), ElementsAre(Pair(1, 1), Pair(2, 1), Pair(3, 1)));
}

TEST(APass, LeavesOutWhoIsNotChosen) {
  Stage drafter = with_rows(128, 3);
  step(drafter);
  EXPECT_THAT(step(drafter, std::vector<Choice>{{{1}}, {{3}}}), ElementsAre(Pair(1, 1), Pair(3, 1)));
  EXPECT_THAT(step(drafter), ElementsAre(Pair(1, 1), Pair(2, 1), Pair(3, 1)));
}

TEST(APass, ServesFirstWhomTheLastOneHadNoRowsFor) {
  Stage drafter = with_rows(2, 3, 1);
  const auto is_prefill = [](const Candidate& candidate) { return candidate.is_prefill; };
  while (std::ranges::any_of(drafter.candidates(), is_prefill)) step(drafter);
  ASSERT_THAT(step(drafter), ElementsAre(Pair(2, 1), Pair(3, 1)));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(step(drafter), ElementsAre(Pair(1, 1), Pair(2, 1)));
    EXPECT_THAT(step(drafter), ElementsAre(Pair(3, 1), Pair(1, 1)));
    EXPECT_THAT(step(drafter), ElementsAre(Pair(2, 1), Pair(3, 1)));
  }
}

TEST(APass, ComputesALongPromptInPieces) {
  Stage drafter = with_rows(8, 1, 20);
  EXPECT_THAT(step(drafter), ElementsAre(Pair(1, 8)));
  EXPECT_THAT(step(drafter), ElementsAre(Pair(1, 8)));
  EXPECT_THAT(sent(drafter), IsEmpty());
  EXPECT_THAT(step(drafter), ElementsAre(Pair(1, 4)));
  EXPECT_THAT(sent(drafter), ElementsAre("tokens to 1, epoch 0, at 20: 4"));
}

TEST(APass, GivesPromptsTheRowsThatOthersLeave) {
  Stage drafter = with_rows(8, 2);
  step(drafter);
  drafter.receive({1}, Start{{3}, 1000, std::vector<Token>(20, 1)});
  drafter.receive({1}, Start{{4}, 1000, std::vector<Token>(4, 1)});
  EXPECT_THAT(step(drafter), ElementsAre(Pair(1, 1), Pair(2, 1), Pair(3, 6)));
  EXPECT_THAT(step(drafter), ElementsAre(Pair(1, 1), Pair(2, 1), Pair(3, 6)));
  EXPECT_THAT(step(drafter), ElementsAre(Pair(1, 1), Pair(2, 1), Pair(3, 6)));
  EXPECT_THAT(step(drafter), ElementsAre(Pair(1, 1), Pair(2, 1), Pair(3, 2), Pair(4, 4)));
}

TEST(APass, KeepsAQuarterOfItsRowsForPrompts) {
  Stage drafter = with_rows(8, 8, 1);
  step(drafter);
  drafter.receive({1}, Start{{9}, 1000, std::vector<Token>(20, 1)});
  EXPECT_THAT(step(drafter),
              ElementsAre(Pair(1, 1), Pair(2, 1), Pair(3, 1), Pair(4, 1), Pair(5, 1), Pair(6, 1), Pair(9, 2)));
}

TEST(APass, ShortensTheLastDraftsItHasRowsFor) {
  StageOptions options;
  options.index = {1};
  options.stages = 2;
  options.max_rows = 8;
  Stage target(options);
  for (int s = 0; s < 3; ++s) target.start({1}, 1000);
  step(target);
  for (int s = 1; s <= 3; ++s) target.receive({0}, Tokens{{s}, 0, 1, 0, {4, 4, 4, 4}});
  EXPECT_THAT(step(target), ElementsAre(Pair(1, 4), Pair(2, 4)));
  EXPECT_THAT(step(target), ElementsAre(Pair(3, 4), Pair(1, 1), Pair(2, 1)));
}

TEST(ADrafterWithoutAModel, ProposesForAllSequencesAtOneGo) {
  StageOptions options;
  options.stages = 2;
  options.has_model = false;
  Stage drafter(options);
  for (int s = 1; s <= 2; ++s) drafter.receive({1}, start(s));
  const std::vector<Work> work = drafter.next_work();
  ASSERT_THAT(work, SizeIs(2));
  for (const Work& proposal : work) drafter.complete(std::get<Proposal>(proposal), std::vector<Token>{4});
  EXPECT_THAT(sent(drafter), ElementsAre("tokens to 1, epoch 0, at 3: 4", "tokens to 1, epoch 0, at 3: 4"));
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
