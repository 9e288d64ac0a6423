/// One test a rule of the protocol for the steps of a stage.
#include <gmock/gmock.h>

#include "sequence_fixture.hpp"

namespace pipespec::decoding {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// ------------------------------------------------------------------------------------------------------ a step

TEST(AStep, StartsWithThePrompt) {
  auto state = target();
  const Pass pass = next_pass(state);
  EXPECT_EQ(pass.begin, 0);
  EXPECT_THAT(pass.tokens, ElementsAre(1, 2, 3));
  EXPECT_EQ(pass.outputs, 1);
  EXPECT_EQ(pass.kind, StepKind::prefill);
}

TEST(AStep, StartsBehindWhatTheCacheHoldsOfThePrompt) {
  auto state = target();
  state.reuse(2);
  const Pass pass = next_pass(state);
  EXPECT_EQ(pass.begin, 2);
  EXPECT_THAT(pass.tokens, ElementsAre(3));
  EXPECT_EQ(pass.kind, StepKind::prefill);
  EXPECT_THAT(state.complete(pass, std::vector<Token>{4}).appended, ElementsAre(4));
  EXPECT_EQ(state.kv_length(), 3);
}

TEST(AStep, StartsBehindMoreIfTheCacheComesToHoldMore) {
  auto state = target();
  state.reuse(1);
  state.reuse(2);
  EXPECT_EQ(state.kv_length(), 2);
  EXPECT_THROW(state.reuse(1), ContractError);
}

TEST(AStep, TakesNothingOverOnceThePromptHasBegun) {
  auto state = target();
  const Work work = state.next_work({.rows = 1}).value();
  EXPECT_THROW(state.reuse(2), ContractError);
  state.complete(std::get<Pass>(work), {});
  EXPECT_THROW(state.reuse(2), ContractError);
}

TEST(AStep, ComputesTheLastTokenOfThePromptInAnyCase) {
  auto state = target();
  EXPECT_THROW(state.reuse(3), ContractError);
}

TEST(AStep, WithoutDraftsDecodesOneToken) {
  auto state = decoded(target(), {4});
  const Pass pass = next_pass(state);
  EXPECT_EQ(pass.begin, 3);
  EXPECT_THAT(pass.tokens, ElementsAre(4));
  EXPECT_EQ(pass.kind, StepKind::draft);
  const StepResult result = state.complete(pass, std::vector<Token>{5});
  EXPECT_THAT(result.appended, ElementsAre(5));
  EXPECT_EQ(state.kv_length(), 4);
}

TEST(AStep, AcceptsDraftsUpToTheFirstWrongOneAndCorrectsThat) {
  auto state = decoded(target(), {4});
  state.receive(tokens(0, 3, {4, 5, 6, 7}));
  const Pass pass = next_pass(state);
  EXPECT_THAT(pass.tokens, ElementsAre(4, 5, 6, 7));
  EXPECT_EQ(pass.drafts, 3);
  EXPECT_EQ(pass.kind, StepKind::verify);
  const StepResult result = state.complete(pass, std::vector<Token>{5, 8, 1, 1});
  EXPECT_THAT(result.appended, ElementsAre(5, 8));
  EXPECT_EQ(result.accepted, 1);
  EXPECT_EQ(result.wasted, 2);
  EXPECT_EQ(state.kv_length(), 5) << "the rows of 4 and 5 are of the view, those of 6 and 7 are not";
  EXPECT_THAT(sent(state), ElementsAre("correction to 0, epoch 1, at 5: 8"));
}

TEST(AStep, AddsABonusTokenWhenEveryDraftIsRight) {
  auto state = decoded(target(), {4});
  state.receive(tokens(0, 3, {4, 5, 6}));
  const StepResult result = step(state, {5, 6, 7});
  EXPECT_THAT(result.appended, ElementsAre(5, 6, 7));
  EXPECT_EQ(result.accepted, 2);
  EXPECT_EQ(result.wasted, 0);
  EXPECT_THAT(sent(state), ElementsAre("progress to 0, at 6: 7"));
}

TEST(AStep, ChecksAtMostAWindowOfDrafts) {
  auto options = stage_of(1, 2);
  options.window = 3;
  auto state = decoded(begin(options), {4});
  state.receive(tokens(0, 3, {4, 5, 6, 7, 8}));
  const Pass pass = next_pass(state);
  EXPECT_THAT(pass.tokens, ElementsAre(4, 5, 6));
  EXPECT_EQ(pass.outputs, 3);
}

TEST(AStep, ConsumesTheWaitingDraftThatEqualsTheBonusToken) {
  auto options = stage_of(1, 2);
  options.window = 2;
  auto state = decoded(begin(options), {4});
  state.receive(tokens(0, 3, {4, 5, 6, 7}));
  step(state, {5, 6});
  EXPECT_THAT(state.drafts(), ElementsAre(7));
  EXPECT_THAT(sent(state), ElementsAre("progress to 0, at 6: "));
}

TEST(AStep, CorrectsTheWaitingDraftThatDiffersFromTheBonusToken) {
  auto options = stage_of(1, 2);
  options.window = 2;
  auto state = decoded(begin(options), {4});
  state.receive(tokens(0, 3, {4, 5, 6, 7}));
  step(state, {5, 8});
  EXPECT_THAT(state.drafts(), IsEmpty());
  EXPECT_THAT(sent(state), ElementsAre("correction to 0, epoch 1, at 5: 8"));
}

TEST(AStep, OfAMiddleStageStreamsUpAndTellsBelow) {
  auto state = middle();
  step(state, {4});
  EXPECT_THAT(sent(state), ElementsAre("tokens to 2, epoch 0, at 3: 4", "progress to 0, at 3: 4"));
}

TEST(AStep, CountsDraftsByTheirPosition) {
  auto state = decoded(target(), {4});
  state.receive(tokens(0, 3, {4, 5, 6, 7}));
  step(state, {5, 8, 1, 1});
  EXPECT_THAT(state.statistics().offered, ElementsAre(1, 1, 1));
  EXPECT_THAT(state.statistics().accepted, ElementsAre(1, 0, 0));
  EXPECT_EQ(state.statistics().verify_passes, 1);
  EXPECT_EQ(state.statistics().passes, 2);
  EXPECT_EQ(state.statistics().wasted, 2);
  EXPECT_EQ(state.statistics().corrections, 1);
}

TEST(AStep, IsTakenOneAtATime) {
  auto state = target();
  EXPECT_TRUE(state.next_work().has_value());
  EXPECT_FALSE(state.next_work().has_value());
}

// ------------------------------------------------------------------------------------------------------ the end

TEST(TheEnd, IsTheTargetsEndToken) {
  auto state = target();
  const StepResult result = step(state, {0});
  EXPECT_EQ(result.finished, FinishReason::end_token);
  EXPECT_FALSE(state.next_work().has_value());
}

TEST(TheEnd, IsTheLimitOfTheSequence) {
  auto state = begin(stage_of(1, 2), 5);
  EXPECT_EQ(step(state, {4}).finished, std::nullopt);
  EXPECT_EQ(step(state, {5}).finished, FinishReason::length);
}

TEST(TheEnd, IsNotAnEndTokenOfThePrompt) {
  SequenceState state(std::make_shared<const StageOptions>(stage_of(1, 2)), Start{id, 100, {1, 0}});
  EXPECT_TRUE(state.next_work().has_value());
}

TEST(TheEnd, PausesADrafterUntilItIsCorrected) {
  auto state = decoded(drafter(), {0});
  EXPECT_FALSE(state.next_work().has_value());
  state.receive(correction(1, 3, {4}));
  EXPECT_TRUE(state.next_work().has_value());
}

TEST(TheEnd, IsNotPassedByDrafts) {
  auto state = decoded(target(), {4});
  state.receive(tokens(0, 3, {4, 5, 0}));
  EXPECT_THAT(next_pass(state).tokens, ElementsAre(4, 5)) << "nothing can follow the row of an end token";
}

TEST(TheEnd, InTheMiddleOfDraftsDropsTheRest) {
  auto state = decoded(target(), {4});
  state.receive(tokens(0, 3, {4, 5, 6, 7}));
  const StepResult result = step(state, {5, 0, 7, 8});
  EXPECT_THAT(result.appended, ElementsAre(5, 0));
  EXPECT_EQ(result.finished, FinishReason::end_token);
}

TEST(TheEnd, LeavesNoRoomForDraftsPastTheLimit) {
  auto state = decoded(begin(stage_of(1, 2), 6), {4});
  state.receive(tokens(0, 3, {4, 5, 6}));
  const Pass pass = next_pass(state);
  EXPECT_THAT(pass.tokens, ElementsAre(4, 5));
  EXPECT_THAT(state.complete(pass, std::vector<Token>{5, 6}).appended, ElementsAre(5, 6));
}

// -------------------------------------------------------------------------------------------- messages in a pass

TEST(AMessageDuringAPass, ThatLeavesItsTextAloneLeavesItsResultAlone) {
  auto state = decoded(middle(), {4});
  const Pass pass = next_pass(state);
  state.receive(correction(1, 3, {4}));
  EXPECT_THAT(state.complete(pass, std::vector<Token>{5}).appended, ElementsAre(5));
}

TEST(AMessageDuringAPass, ThatCutsItsTextVoidsItAndKeepsTheRowsBefore) {
  auto state = middle();
  state.receive(progress(3, {4, 5}));
  const Pass pass = next_pass(state);  // 1 2 3 4 5
  state.receive(correction(1, 4, {7}));
  const StepResult result = state.complete(pass, std::vector<Token>{6});
  EXPECT_TRUE(result.void_);
  EXPECT_THAT(result.appended, IsEmpty());
  EXPECT_EQ(result.wasted, 1);
  EXPECT_EQ(state.kv_length(), 4);
  EXPECT_THAT(next_pass(state).tokens, ElementsAre(7));
}

TEST(AMessageDuringAPass, ThatCutsBelowItVoidsAllOfIt) {
  auto state = decoded(middle(), {4, 5});
  const Pass pass = next_pass(state);  // 5, at 4
  state.receive(correction(1, 3, {7}));
  EXPECT_TRUE(state.complete(pass, std::vector<Token>{6}).void_);
  EXPECT_EQ(state.kv_length(), 3);
  EXPECT_THAT(state.view(), ElementsAre(1, 2, 3, 7)) << "as long as where the pass began, and yet another text";
}

TEST(AMessageDuringAPass, ThatLeavesRowsOfItDoesNotMakeItVoid) {
  auto state = middle();
  state.receive(progress(3, {4, 5}));
  const Pass pass = next_pass(state);  // 1 2 3 4 5
  EXPECT_FALSE(state.is_void(pass));
  state.receive(correction(1, 4, {7}));
  EXPECT_FALSE(state.is_void(pass));
  EXPECT_THROW(state.give_up(pass), ContractError);
}

TEST(AMessageDuringAPass, ThatVoidsAllOfItLetsItBeGivenUp) {
  auto state = decoded(drafter(), {4, 5, 6});
  const Pass pass = next_pass(state);
  auto completed = state;
  completed.receive(correction(1, 4, {8}));
  completed.complete(pass, std::vector<Token>{7});
  state.receive(correction(1, 4, {8}));
  ASSERT_TRUE(state.is_void(pass));
  const StepResult result = state.give_up(pass);
  EXPECT_TRUE(result.void_);
  EXPECT_EQ(result.wasted, 1);
  EXPECT_THAT(result.appended, IsEmpty());
  EXPECT_EQ(state.digest(), completed.digest()) << "it goes on as if the pass had run to its end";
  EXPECT_EQ(next_pass(state).begin, 4);
}

TEST(AMessageDuringAPass, ThatCutsToARowNotAskedForLeavesThatRowToBeComputed) {
  auto state = middle();
  state.receive(progress(3, {4, 5}));
  const Pass pass = next_pass(state);    // 1 2 3 4 5, of which only the last row has an output
  state.receive(correction(1, 3, {8}));  // the stage above changes its mind
  state.receive(correction(2, 3, {4}));  // twice
  EXPECT_TRUE(state.complete(pass, std::vector<Token>{6}).void_);
  EXPECT_EQ(state.kv_length(), 3);
  EXPECT_THAT(next_pass(state).tokens, ElementsAre(4));
}

TEST(AMessageDuringAPass, ThatGoesOnAsItsDraftsDoLeavesTheRest) {
  auto state = decoded(middle(), {4});
  state.receive(tokens(0, 3, {4, 5, 6}));
  const Pass pass = next_pass(state);  // 4 5 6
  state.receive(progress(4, {5}));
  const StepResult result = state.complete(pass, std::vector<Token>{9, 6, 7});
  EXPECT_THAT(result.appended, ElementsAre(6, 7)) << "what its model said of 5 no longer matters";
}

TEST(AMessageDuringAPass, ThatCorrectsDraftsDoesNotLetThemThrough) {
  auto state = decoded(middle(), {4});
  state.receive(tokens(0, 3, {4, 5, 6}));
  const Pass pass = next_pass(state);  // 4 5 6
  state.receive(correction(1, 4, {8}));
  const StepResult result = state.complete(pass, std::vector<Token>{5, 6, 7});
  EXPECT_TRUE(result.void_);
  EXPECT_THAT(state.view(), ElementsAre(1, 2, 3, 4, 8));
  EXPECT_EQ(state.kv_length(), 4);
}

// ----------------------------------------------------------------------------------------- a drafter without model

SequenceState guesser(int max_ahead = 64) {
  auto options = stage_of(0, 2);
  options.has_model = false;
  options.max_ahead = max_ahead;
  return begin(options);
}

Proposal next_proposal(SequenceState& state) {
  return std::get<Proposal>(state.next_work().value());
}

TEST(AProposal, IsStreamedUp) {
  auto state = guesser();
  state.complete(next_proposal(state), std::vector<Token>{4, 5});
  EXPECT_THAT(sent(state), ElementsAre("tokens to 1, epoch 0, at 3: 4 5"));
}

TEST(AProposal, HasNoMoreTokensThanThereIsRoom) {
  auto state = guesser(2);
  const Proposal proposal = next_proposal(state);
  EXPECT_EQ(proposal.max_tokens, 2);
  state.complete(proposal, std::vector<Token>{4, 5, 6});
  EXPECT_THAT(state.view(), ElementsAre(1, 2, 3, 4, 5));
}

TEST(AProposal, EndsWithAnEndToken) {
  auto state = guesser();
  state.complete(next_proposal(state), std::vector<Token>{4, 0, 5});
  EXPECT_THAT(state.view(), ElementsAre(1, 2, 3, 4, 0));
}

TEST(AProposal, ForATextThatHasChangedIsVoid) {
  auto state = guesser();
  const Proposal proposal = next_proposal(state);
  state.receive(progress(3, {7}));
  EXPECT_TRUE(state.complete(proposal, std::vector<Token>{4, 5}).void_);
  EXPECT_THAT(state.view(), ElementsAre(1, 2, 3, 7));
}

TEST(AProposal, WithoutTokensSaysSoAndIsNotAskedForAgainUntilTheTextChanges) {
  auto state = guesser();
  state.complete(next_proposal(state), std::vector<Token>{});
  EXPECT_THAT(sent(state), ElementsAre("tokens to 1, epoch 0, at 3: "));
  EXPECT_FALSE(state.next_work().has_value());
  state.receive(progress(3, {7}));
  EXPECT_EQ(next_proposal(state).length, 4);
}

TEST(AProposal, WithoutTokensIsSaidAgainInANewEpoch) {
  auto state = guesser();
  state.complete(next_proposal(state), std::vector<Token>{4});
  state.complete(next_proposal(state), std::vector<Token>{});
  sent(state);
  state.receive(correction(1, 3, {4}));  // agrees: the view stands, but what was sent in epoch 0 counts no more
  state.complete(next_proposal(state), std::vector<Token>{});
  EXPECT_THAT(sent(state), ElementsAre("tokens to 1, epoch 1, at 4: "));
}

// ------------------------------------------------------------------------------------------- drafts to wait for

bool expects_drafts(const SequenceState& state) {
  return state.candidate().value().expects_drafts;
}

TEST(DraftsAreExpected, WhileTheStageBelowHasNotSaidThatItHasNone) {
  auto state = target();
  EXPECT_TRUE(expects_drafts(state));
  state.receive(tokens(0, 3, {4}));
  EXPECT_TRUE(expects_drafts(state)) << "more may follow";
  step(state, {5, 6});
  EXPECT_TRUE(expects_drafts(state)) << "4 was wrong, and the stage below is told";
}

TEST(DraftsAreExpected, UntilTheStageBelowSaysThatItHasNone) {
  auto state = target();
  state.receive(tokens(0, 3, {}));
  EXPECT_FALSE(expects_drafts(state));
  step(state, {4});
  EXPECT_TRUE(expects_drafts(state)) << "it has not seen the new token";
  state.receive(tokens(0, 3, {4}));
  EXPECT_TRUE(expects_drafts(state)) << "it has, and will answer to it";
  state.receive(tokens(0, 4, {}));
  EXPECT_FALSE(expects_drafts(state));
}

TEST(DraftsAreExpected, NoMoreWhereTheStageBelowLearnsOfNothingThatItHasNotSentItself) {
  auto options = stage_of(1, 2);
  options.window = 2;
  auto state = begin(options);
  state.receive(tokens(0, 3, {4, 5}));
  state.receive(tokens(0, 5, {}));
  EXPECT_FALSE(expects_drafts(state));
  step(state, {4, 5});
  EXPECT_FALSE(expects_drafts(state)) << "the bonus token is the draft it has sent last";
  step(state, {6});
  EXPECT_TRUE(expects_drafts(state));
}

TEST(DraftsAreExpected, OnceMoreWhereTheTextThatTheSilenceWasAboutHasChanged) {
  auto state = target();
  state.receive(tokens(0, 3, {4, 5}));
  state.receive(tokens(0, 5, {}));
  step(state, {4, 9, 8});
  EXPECT_TRUE(expects_drafts(state)) << "the view is as long, but another";
}

TEST(DraftsAreExpected, NoMoreBehindAnEndTokenAndAtTheLimit) {
  auto state = begin(stage_of(1, 2), 5);
  state.receive(tokens(0, 3, {4}));
  EXPECT_TRUE(expects_drafts(state));
  state.receive(tokens(0, 4, {5}));
  EXPECT_FALSE(expects_drafts(state));
  auto other = target();
  other.receive(tokens(0, 3, {4, 0}));
  EXPECT_FALSE(expects_drafts(other));
}

TEST(DraftsAreExpected, NeverByStageZero) {
  EXPECT_FALSE(expects_drafts(drafter()));
}

// ------------------------------------------------------------------------------------------------------- limits

TEST(TheLimitsOfAStep, LeaveTheEndOfALongTextToTheNext) {
  auto state = target();
  const Pass first = std::get<Pass>(state.next_work({.rows = 2}).value());
  EXPECT_THAT(first.tokens, ElementsAre(1, 2));
  EXPECT_EQ(first.outputs, 0);
  EXPECT_EQ(first.kind, StepKind::prefill);
  EXPECT_THAT(state.complete(first, {}).appended, IsEmpty());
  const Pass second = next_pass(state);
  EXPECT_THAT(second.tokens, ElementsAre(3));
  EXPECT_EQ(second.kind, StepKind::prefill);
  EXPECT_THAT(state.complete(second, std::vector<Token>{4}).appended, ElementsAre(4));
}

TEST(TheLimitsOfAStep, LeaveDraftsToTheNext) {
  auto state = decoded(target(), {4});
  state.receive(tokens(0, 3, {4, 5, 6, 7}));
  const Pass pass = std::get<Pass>(state.next_work({.drafts = 1}).value());
  EXPECT_THAT(pass.tokens, ElementsAre(4, 5));
  EXPECT_EQ(pass.drafts, 1);
  state.complete(pass, std::vector<Token>{5, 6});
  EXPECT_THAT(state.drafts(), ElementsAre(7));
}

}  // namespace
}  // namespace pipespec::decoding
