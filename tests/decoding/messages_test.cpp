/// One test a rule of the protocol for the messages that a stage receives; stage 1 of 3 unless a test says otherwise.
#include <gmock/gmock.h>

#include "sequence_fixture.hpp"

namespace pipespec::decoding {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// ------------------------------------------------------------------------------------------- Tokens from below

TEST(TokensFromBelow, AreDraftsPastTheView) {
  auto state = middle();
  state.receive(tokens(0, 3, {4, 5}));
  EXPECT_THAT(state.drafts(), ElementsAre(4, 5));
  EXPECT_THAT(state.view(), ElementsAre(1, 2, 3));
  EXPECT_THAT(sent(state), IsEmpty());
}

TEST(TokensFromBelow, AreNoNewsWhereTheyEqualTheView) {
  auto state = decoded(middle(), {4, 5});
  state.receive(tokens(0, 3, {4, 5, 6}));
  EXPECT_THAT(state.drafts(), ElementsAre(6));
  EXPECT_THAT(sent(state), IsEmpty());
}

TEST(TokensFromBelow, AreCorrectedWhereTheyDifferFromTheView) {
  auto state = decoded(middle(), {4, 5, 6});
  state.receive(tokens(0, 3, {4, 9, 6, 7}));
  EXPECT_THAT(sent(state), ElementsAre("correction to 0, epoch 1, at 4: 5 6"));
  EXPECT_THAT(state.drafts(), IsEmpty()) << "what follows a wrong token is of another text";
}

TEST(TokensFromBelow, OfAnOlderEpochAreDroppedAndCounted) {
  auto state = decoded(middle(), {4});
  state.receive(tokens(0, 3, {9}));
  state.receive(tokens(0, 4, {5, 6}));
  EXPECT_THAT(state.drafts(), IsEmpty());
  EXPECT_EQ(state.statistics().stale, 3);
  state.receive(tokens(1, 4, {7}));
  EXPECT_THAT(state.drafts(), ElementsAre(7));
}

TEST(TokensFromBelow, ArriveWithoutAGap) {
  auto state = middle();
  EXPECT_THROW(state.receive(tokens(0, 4, {5})), ContractError);
  EXPECT_THROW(state.receive(tokens(1, 3, {5})), ContractError) << "an epoch that the stage has not begun";
}

// --------------------------------------------------------------------------------------- a Correction from above

TEST(CorrectionFromAbove, ThatChangesNothingLosesNoWorkAndHasTheRestSentAgain) {
  auto state = decoded(middle(), {4, 5, 6});
  state.receive(correction(1, 3, {4, 5}));
  EXPECT_THAT(state.view(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(state.kv_length(), 5);
  EXPECT_THAT(sent(state), ElementsAre("tokens to 2, epoch 1, at 5: 6"));
}

TEST(CorrectionFromAbove, CutsTheViewAndTheCacheWhereTheyDiffer) {
  auto state = decoded(middle(), {4, 5, 6});
  state.receive(correction(1, 3, {4, 7}));
  EXPECT_THAT(state.view(), ElementsAre(1, 2, 3, 4, 7));
  EXPECT_EQ(state.kv_length(), 4);
  EXPECT_EQ(state.epoch_out(), 1);
  EXPECT_EQ(state.acknowledged(), 5);
  const Pass pass = next_pass(state);
  EXPECT_EQ(pass.begin, 4);
  EXPECT_THAT(pass.tokens, ElementsAre(7));
}

TEST(CorrectionFromAbove, IsPassedOnToAStageBelowThatStreamedOtherwise) {
  auto state = decoded(middle(), {4, 5});
  state.receive(tokens(0, 3, {4, 5, 6, 7}));
  state.receive(correction(1, 4, {8}));
  EXPECT_THAT(sent(state), ElementsAre("correction to 0, epoch 1, at 4: 8"));
  EXPECT_THAT(state.drafts(), IsEmpty());
}

TEST(CorrectionFromAbove, KeepsDraftsThatGoOnFromIt) {
  auto state = decoded(middle(), {4});
  state.receive(tokens(0, 3, {4, 5, 6, 7}));
  state.receive(correction(1, 3, {4, 5, 6}));
  EXPECT_THAT(state.drafts(), ElementsAre(7));
  EXPECT_THAT(sent(state), ElementsAre("progress to 0, at 6: "));
}

TEST(CorrectionFromAbove, IsPassedOnWhereDraftsDifferFromIt) {
  auto state = decoded(middle(), {4});
  state.receive(tokens(0, 3, {4, 5, 6, 7}));
  state.receive(correction(1, 3, {4, 5, 9}));
  EXPECT_THAT(state.drafts(), IsEmpty());
  EXPECT_THAT(sent(state), ElementsAre("correction to 0, epoch 1, at 5: 9"));
}

TEST(CorrectionFromAbove, OfWhatTheStageBelowWasOnlyToldStartsWhereThatStageWasLastHeard) {
  // Stage 0 may differ anywhere past position 3, by tokens that are on their way and void from now on.
  auto state = decoded(middle(), {4, 5, 6});
  state.receive(correction(1, 5, {7}));
  EXPECT_THAT(sent(state), ElementsAre("correction to 0, epoch 1, at 3: 4 5 7"));
}

TEST(CorrectionFromAbove, ComesEpochByEpoch) {
  auto state = decoded(middle(), {4});
  EXPECT_THROW(state.receive(correction(2, 3, {5})), ContractError);
}

TEST(CorrectionFromAbove, SendsNoMoreAgainThanTheStageAboveHasRoomFor) {
  auto options = stage_of(1, 3);
  options.max_ahead = 2;
  options.window = 1;
  auto state = begin(options);
  for (Position length = 3; length < 8; ++length) {  // the stage above keeps up
    state = decoded(std::move(state), {4});
    state.receive(progress(length + 1, {}));
  }
  state.receive(correction(1, 3, {4}));  // and is cut back, to what this stage believes as well
  EXPECT_THAT(sent(state), ElementsAre("tokens to 2, epoch 1, at 4: 4 4 4"));
  state.receive(progress(5, {}));
  EXPECT_THAT(sent(state), ElementsAre("tokens to 2, epoch 1, at 7: 4"));
}

// ------------------------------------------------------------------------------------------ Progress from above

TEST(ProgressFromAbove, LetsAStageThatFellBehindFollow) {
  auto state = middle();
  state.receive(progress(3, {4, 5}));
  EXPECT_THAT(state.view(), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(sent(state), ElementsAre("tokens to 2, epoch 0, at 3: 4 5", "progress to 0, at 3: 4 5"));
}

TEST(ProgressFromAbove, GoesOnFromWhereTheViewEnds) {
  auto state = decoded(middle(), {4});
  state.receive(progress(3, {4, 5}));
  EXPECT_THAT(state.view(), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(state.kv_length(), 3);
}

TEST(ProgressFromAbove, IsNotAdoptedByAViewThatDiffers) {
  // The tokens of this view are on their way: the stage above will correct them.
  auto state = decoded(middle(), {9});
  state.receive(progress(3, {4, 5}));
  EXPECT_THAT(state.view(), ElementsAre(1, 2, 3, 9));
  EXPECT_THAT(sent(state), IsEmpty());
}

TEST(ProgressFromAbove, LeavesAViewThatIsAheadAlone) {
  auto state = decoded(middle(), {4, 5});
  state.receive(progress(3, {4}));
  EXPECT_THAT(state.view(), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(state.acknowledged(), 4);
}

TEST(ProgressFromAbove, IsHeldAgainstTheDraftsOfTheStageBelow) {
  auto state = middle();
  state.receive(tokens(0, 3, {4, 6}));
  state.receive(progress(3, {4, 5}));
  EXPECT_THAT(sent(state), ElementsAre("correction to 0, epoch 1, at 4: 5", "tokens to 2, epoch 0, at 3: 4 5"));
}

TEST(ProgressFromAbove, IsTheLengthThatFlowControlCountsFrom) {
  auto options = stage_of(0, 2);
  options.max_ahead = 2;
  auto state = decoded(begin(options), {4, 5});
  EXPECT_FALSE(state.next_work().has_value()) << "two tokens past the length known of the stage above";
  state.receive(progress(4, {}));
  EXPECT_TRUE(state.next_work().has_value());
}

}  // namespace
}  // namespace pipespec::decoding
