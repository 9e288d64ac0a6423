/// The synchronous schedule: draft, verify, resynchronise; one stage at a time has the turn.
#include <gmock/gmock.h>

#include "sequence_fixture.hpp"

namespace pipespec::decoding {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

SequenceState synchronous(int index, int stages) {
  auto options = stage_of(index, stages);
  options.schedule = Schedule::synchronous;
  options.lookahead = 2;
  return begin(options);
}

Tokens turn(Position position, Position round, std::vector<Token> list) {
  return {id, 0, position, round, std::move(list)};
}

TEST(TheSynchronousSchedule, HasStageZeroDraftLookaheadTokensAndSendThemAtOnce) {
  auto drafter = synchronous(0, 2);
  step(drafter, {4});
  EXPECT_THAT(sent(drafter), IsEmpty());
  step(drafter, {5});
  EXPECT_THAT(sent(drafter), ElementsAre("tokens to 1, epoch 0, at 3: 4 5"));
  EXPECT_FALSE(drafter.next_work().has_value());
}

TEST(TheSynchronousSchedule, HasStageZeroSendEarlyWhenItDraftsAnEndToken) {
  auto drafter = synchronous(0, 2);
  step(drafter, {0});
  EXPECT_THAT(sent(drafter), ElementsAre("tokens to 1, epoch 0, at 3: 0"));
}

TEST(TheSynchronousSchedule, ComputesPromptsBeforeTheFirstTurn) {
  auto target = synchronous(1, 2);
  const Pass pass = next_pass(target);
  EXPECT_THAT(pass.tokens, ElementsAre(1, 2));
  EXPECT_EQ(pass.outputs, 0);
  target.complete(pass, {});
  EXPECT_EQ(target.kv_length(), 2);
  EXPECT_FALSE(target.next_work().has_value()) << "it has not got the turn";
}

TEST(TheSynchronousSchedule, ComputesThePromptWithTheDraftsIfTheTurnComesFirst) {
  auto target = synchronous(1, 2);
  target.receive(turn(3, 3, {4, 5}));
  EXPECT_THAT(next_pass(target).tokens, ElementsAre(1, 2, 3, 4, 5));
}

TEST(TheSynchronousSchedule, HandsTheTurnOnAfterOneStep) {
  auto middle = synchronous(1, 3);
  middle.receive(turn(3, 3, {4, 5}));
  step(middle, {4, 6, 1});
  EXPECT_THAT(sent(middle), ElementsAre("correction to 0, epoch 1, at 4: 6", "tokens to 2, epoch 0, at 3: 4 6"));
  EXPECT_FALSE(middle.next_work().has_value());
}

TEST(TheSynchronousSchedule, HandsTheTurnOnWithoutAStepWhereTheTextHasEnded) {
  auto middle = synchronous(1, 3);
  middle.receive(Correction{id, 1, 3, 3, {0}});
  middle.take_outgoing();
  middle.receive(turn(3, 3, {0}));
  EXPECT_THAT(sent(middle), ElementsAre("tokens to 2, epoch 1, at 4: "));
}

TEST(TheSynchronousSchedule, BeginsTheNextRoundWithWhatTheTargetConfirmed) {
  auto drafter = synchronous(0, 2);
  step(drafter, {4});
  step(drafter, {5});
  drafter.take_outgoing();
  drafter.receive(Correction{id, 1, 4, 5, {6}});
  step(drafter, {7});
  step(drafter, {8});
  EXPECT_THAT(sent(drafter), ElementsAre("tokens to 1, epoch 1, at 5: 7 8"));
}

TEST(TheSynchronousSchedule, PassesTheTargetsWordDownTheChain) {
  auto middle = synchronous(1, 3);
  middle.receive(turn(3, 3, {4, 5}));
  step(middle, {4, 5, 6});
  middle.take_outgoing();
  middle.receive(Progress{id, 6, 7, {7}});
  EXPECT_THAT(sent(middle), ElementsAre("progress to 0, at 6: 7"));
  EXPECT_FALSE(middle.next_work().has_value());
}

TEST(TheSynchronousSchedule, GivesNoTurnWithABurstOfAnEarlierRound) {
  auto middle = synchronous(1, 3);
  middle.receive(turn(3, 3, {4, 5}));
  step(middle, {4, 5, 6});
  middle.receive(Progress{id, 6, 7, {7}});
  middle.take_outgoing();
  middle.receive(turn(5, 3, {6, 7}));
  EXPECT_THAT(sent(middle), IsEmpty()) << "nothing to hand on";
  middle.receive(turn(7, 7, {8}));
  EXPECT_TRUE(middle.next_work().has_value());
}

}  // namespace
}  // namespace pipespec::decoding
