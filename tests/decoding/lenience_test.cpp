/// Who may overrule whom below the target.
#include <gmock/gmock.h>

#include "decoding/stage.hpp"
#include "sequence_fixture.hpp"

namespace pipespec::decoding {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Stage 1 of 3, with 1 2 3 4 in its view and `drafts` behind that.
SequenceState lenient(Lenience lenience, std::vector<Token> drafts, int window = 16) {
  auto options = stage_of(1, 3);
  options.lenience = lenience;
  options.window = window;
  auto state = decoded(begin(options), {4});
  drafts.insert(drafts.begin(), 4);
  state.receive(tokens(0, 3, std::move(drafts)));
  state.take_outgoing();
  return state;
}

// ------------------------------------------------------------------------------------------------- at a step

TEST(ALenientStage, KeepsADraftThatItWouldNotHaveChosenAndChecksThoseBehindIt) {
  auto state = lenient(Lenience::adaptive, {5, 6, 7});
  const StepResult result = step(state, {5, 9, 9, 8});
  EXPECT_THAT(result.appended, ElementsAre(5, 6, 7, 8)) << "the last is its own";
  EXPECT_EQ(result.accepted, 3);
  EXPECT_EQ(result.wasted, 0);
  EXPECT_EQ(state.kv_length(), 7) << "the drafts' rows are computed, and they are of the view";
  EXPECT_THAT(state.statistics().accepted, ElementsAre(1, 1, 1));
  EXPECT_THAT(sent(state), ElementsAre("tokens to 2, epoch 0, at 4: 5 6 7 8", "progress to 0, at 7: 8"));
}

TEST(ALenientStage, PrefersTheWaitingDraftToTheBonusToken) {
  auto state = lenient(Lenience::adaptive, {5, 6, 7}, 2);
  EXPECT_THAT(step(state, {5, 9}).appended, ElementsAre(5, 6));
  EXPECT_EQ(state.kv_length(), 5);
  EXPECT_THAT(state.drafts(), ElementsAre(7));
  EXPECT_THAT(sent(state), ElementsAre("tokens to 2, epoch 0, at 4: 5 6", "progress to 0, at 6: ")) << "no correction";
}

TEST(ALenientStage, AddsItsOwnTokenWhereThereIsNoDraft) {
  auto state = lenient(Lenience::adaptive, {});
  EXPECT_THAT(step(state, {9}).appended, ElementsAre(9));
}

TEST(ALenientStage, TakesDraftsThatHaveBeenWithdrawnForItsOwnTokensOnly) {
  auto state = lenient(Lenience::adaptive, {5, 6, 7});
  const Pass pass = next_pass(state);    // 4 5 6 7
  state.receive(correction(1, 3, {8}));  // the stage above changes its mind
  state.receive(correction(2, 3, {4}));  // twice, and the drafts are gone
  EXPECT_THAT(state.complete(pass, std::vector<Token>{5, 9, 9, 8}).appended, ElementsAre(5, 9)) << "6 is not kept";
}

TEST(ALenientStage, BelievesTheStageAboveAllTheSame) {
  auto state = lenient(Lenience::adaptive, {5, 6, 7});
  step(state, {9, 9, 9, 9});
  state.receive(correction(1, 4, {8}));
  EXPECT_THAT(state.view(), ElementsAre(1, 2, 3, 4, 8));
}

TEST(ALenientStage, SaysWhoseTokensItSendsUp) {
  auto state = lenient(Lenience::adaptive, {});
  const Confidence copy = Confidence::of_match(3), own = Confidence::of_probability(0.75f);
  state.receive(Tokens{id, 0, 4, 0, {5, 6}, {copy, copy}});
  state.complete(next_pass(state), std::vector<Token>{5, 9, 8}, std::vector{own, own, own});
  const auto confidences = std::get<Tokens>(state.take_outgoing().at(0).message).confidences;
  EXPECT_THAT(confidences, ElementsAre(own.when_agreed(), copy.when_kept(), own));
}

// ------------------------------------------------------------------------------------------- before any step

/// Stage 1 of 3 that believes every draft, with 1 2 3 4 in its view.
SequenceState trusting(int window = 16) {
  auto state = lenient(Lenience::trust, {}, window);
  return state;
}

TEST(ATrustingStage, PassesDraftsOnAtOnce) {
  auto state = trusting();
  const Confidence copy = Confidence::of_match(3);
  state.receive(Tokens{id, 0, 4, 0, {5, 6}, {copy, copy}});
  EXPECT_THAT(state.view(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(state.kv_length(), 3) << "nothing of it is computed";
  const auto outgoing = state.take_outgoing();
  EXPECT_THAT(pipespec::testing::to_text(outgoing),
              ElementsAre("tokens to 2, epoch 0, at 4: 5 6", "progress to 0, at 6: "));
  EXPECT_THAT(std::get<Tokens>(outgoing.at(0).message).confidences, ElementsAre(copy.when_kept(), copy.when_kept()));
  const Pass pass = next_pass(state);
  EXPECT_THAT(pass.tokens, ElementsAre(4, 5, 6)) << "it goes on behind them";
  EXPECT_EQ(pass.outputs, 1);
}

TEST(ATrustingStage, PassesThemOnInTheCourseOfAPass) {
  auto state = trusting();
  const Pass pass = next_pass(state);
  state.receive(tokens(0, 4, {5, 6}));
  EXPECT_THAT(sent(state), ElementsAre("tokens to 2, epoch 0, at 4: 5 6", "progress to 0, at 6: "));
  EXPECT_TRUE(state.complete(pass, std::vector<Token>{9}).void_) << "it was about the place of the 5";
  EXPECT_EQ(state.kv_length(), 4) << "its row is of the view all the same";
}

TEST(ATrustingStage, PassesOnWhatTwoStepsAboveCanCheck) {
  auto state = trusting(3);
  state.receive(tokens(0, 4, {5, 6, 7, 8, 9, 10}));
  EXPECT_THAT(state.view(), ElementsAre(1, 2, 3, 4, 5, 6, 7)) << "twice window - 1 past the 3 that are known above";
  EXPECT_THAT(state.drafts(), ElementsAre(8, 9, 10));
  state.take_outgoing();
  state.receive(progress(5, {}));
  EXPECT_THAT(sent(state), ElementsAre("tokens to 2, epoch 0, at 7: 8 9", "progress to 0, at 9: "));
}

TEST(ATrustingStage, PassesNothingOnBehindAnEndToken) {
  auto state = trusting();
  state.receive(tokens(0, 4, {5, 0, 7}));
  EXPECT_THAT(state.view(), ElementsAre(1, 2, 3, 4, 5, 0));
  EXPECT_FALSE(state.next_work());
}

TEST(AStageThatAbstains, PassesOnWhatItHasIfItIsLenient) {
  auto options = stage_of(1, 3);
  options.lenience = Lenience::adaptive;
  auto state = begin(options);
  state.receive(tokens(0, 3, {5, 6}));
  EXPECT_THAT(state.view(), ElementsAre(1, 2, 3)) << "it does not trust them yet";
  EXPECT_TRUE(state.candidate()->may_abstain);
  state.abstain();
  EXPECT_THAT(state.view(), ElementsAre(1, 2, 3, 5, 6));
  EXPECT_THAT(sent(state), ElementsAre("tokens to 2, epoch 0, at 3: 5 6", "progress to 0, at 5: "));
  EXPECT_FALSE(state.candidate()->may_abstain) << "more may come from below";
  EXPECT_EQ(state.candidate()->rows, 5) << "the rows are left to its next pass";
}

TEST(AStageThatAbstains, HasNoGuessWhereNothingComesFromBelow) {
  auto options = stage_of(1, 3);
  options.lenience = Lenience::adaptive;
  auto state = begin(options);
  EXPECT_FALSE(state.candidate()->may_abstain);
  state.receive(tokens(0, 3, {}));
  state.abstain();
  EXPECT_THAT(sent(state), ElementsAre("tokens to 2, epoch 0, at 3: "));
  EXPECT_FALSE(state.candidate()->may_abstain) << "it has said so";
  state.complete(next_pass(state), std::vector<Token>{9});
  EXPECT_THAT(sent(state), ElementsAre("tokens to 2, epoch 0, at 3: 9", "progress to 0, at 3: 9"))
      << "and may step all the same";
  state.receive(tokens(0, 3, {9}));
  state.receive(tokens(0, 4, {}));
  EXPECT_TRUE(state.candidate()->may_abstain) << "about the new place";
}

TEST(AStageThatAbstains, SaysThatItHasNoGuessWhereItMayPassNothingOn) {
  auto state = begin(stage_of(1, 3));
  state.receive(tokens(0, 3, {5, 6}));
  state.abstain();
  EXPECT_THAT(sent(state), ElementsAre("tokens to 2, epoch 0, at 3: "));
  EXPECT_THAT(state.drafts(), ElementsAre(5, 6)) << "a strict stage keeps them";
}

TEST(AStageThatAbstains, IsInThePipelineAndNotTheTarget) {
  EXPECT_FALSE(begin(stage_of(2, 3)).candidate()->may_abstain);
  auto options = stage_of(1, 3);
  options.schedule = Schedule::synchronous;
  auto state = begin(options);
  state.receive(Tokens{id, 0, 3, 3, {5, 6}});
  EXPECT_FALSE(state.candidate()->may_abstain);
}

TEST(AStageThatTakesTurns, PassesNothingOnBeforeItsStep) {
  auto options = stage_of(1, 3);
  options.lenience = Lenience::trust;
  options.schedule = Schedule::synchronous;
  auto state = begin(options);
  state.receive(Tokens{id, 0, 3, 3, {5, 6}});
  EXPECT_THAT(state.view(), ElementsAre(1, 2, 3));
}

TEST(OnlyAStageBetweenTwoOthers, IsLenient) {
  for (const int index : {0, 2}) {
    auto options = stage_of(index, 3);
    options.lenience = Lenience::adaptive;
    EXPECT_THROW(Stage{options}, ContractError);
  }
}

// ---------------------------------------------------------------------------------------------------- adaptive

/// Stage 1 of 3 that checks one draft a step: each is held against the bonus token.
SequenceState adaptive() {
  auto options = stage_of(1, 3);
  options.lenience = Lenience::adaptive;
  options.window = 1;
  return begin(options, 1000);
}

Pass pass_without_drafts(SequenceState& state) {
  return std::get<Pass>(state.next_work({.drafts = 0}).value());
}

/// The draft is 5, and the own token 9 if it comes to a step. Returns what the stage goes on with.
Token disagree(SequenceState& state) {
  const std::size_t length = state.view().size();
  state.receive(Tokens{id, state.epoch_in(), static_cast<Position>(length), 0, {5}});
  if (state.view().size() == length) state.complete(pass_without_drafts(state), std::vector<Token>{9});
  return state.view()[length];
}

/// The target says that the last token of the view is `right`.
void decide(SequenceState& state, Token right) {
  const auto length = static_cast<Position>(state.view().size());
  if (state.view().back() == right) {
    state.receive(Progress{id, length, length, {}});
  } else {
    state.receive(Correction{id, state.epoch_out() + 1, length - 1, length, {right}});
  }
}

TEST(AnAdaptiveStage, KeepsWhatTheTargetConfirms) {
  auto state = adaptive();
  for (int i = 0; i < 40; ++i) {
    disagree(state);
    decide(state, 9);
  }
  EXPECT_EQ(disagree(state), 9);
  for (int i = 0; i < 40; ++i) {
    disagree(state);
    decide(state, 5);
  }
  EXPECT_EQ(disagree(state), 5) << "and changes its mind";
}

TEST(AnAdaptiveStage, PrefersNeitherWhereBothWereWrong) {
  auto state = adaptive();
  const Token before = disagree(state);
  for (int i = 0; i < 40; ++i) {
    decide(state, 7);
    EXPECT_EQ(disagree(state), before);
  }
}

/// The same, with a window that leaves room to pass drafts on.
SequenceState swift() {
  auto options = stage_of(1, 3);
  options.lenience = Lenience::adaptive;
  return begin(options, 1000);
}

TEST(AnAdaptiveStage, PassesDraftsOnAtOnceWhereTheyAreRightAsOftenAsItsOwnTokens) {
  auto state = swift();
  const auto offered = [&](Confidence confidence) {
    const std::size_t length = state.view().size();
    state.receive(Tokens{id, state.epoch_in(), static_cast<Position>(length), 0, {5}, {confidence}});
    const bool is_passed_on = state.view().size() > length;
    if (!is_passed_on) state.complete(pass_without_drafts(state), std::vector<Token>{9});
    return is_passed_on;
  };
  const Confidence weak = Confidence::of_match(1), strong = Confidence::of_match(8);
  EXPECT_FALSE(offered(strong)) << "nothing is known yet";
  decide(state, 5);
  for (int i = 0; i < 40; ++i) {
    offered(strong);
    decide(state, 5);
    offered(weak);
    decide(state, 9);
  }
  EXPECT_TRUE(offered(strong));
  decide(state, 5);
  EXPECT_FALSE(offered(weak));
}

TEST(AnAdaptiveStage, LearnsFromItsOwnTokenEvenIfTheDraftWasPassedOnMeanwhile) {
  auto state = swift();
  const auto is_passed_on_during_a_pass = [&] {
    const std::size_t length = state.view().size();
    const Pass pass = pass_without_drafts(state);
    state.receive(Tokens{id, state.epoch_in(), static_cast<Position>(length), 0, {5}});
    const bool is_passed_on = state.view().size() > length;
    state.complete(pass, std::vector<Token>{9});
    return is_passed_on;
  };
  for (int i = 0; i < 40; ++i) {
    disagree(state);
    decide(state, 5);
  }
  EXPECT_TRUE(is_passed_on_during_a_pass());
  for (int i = 0; i < 20;
       ++i) {  // now the own token is right: what the draft alone tells would take three times as long
    decide(state, 9);
    is_passed_on_during_a_pass();
  }
  decide(state, 9);
  EXPECT_FALSE(is_passed_on_during_a_pass());
}

TEST(AnAdaptiveStage, JudgesNothingBehindATextThatTheTargetHasNotConfirmed) {
  auto state = adaptive();
  disagree(state);
  state.receive(Progress{id, 4, 3, {}});  // the stage above has the token, too; the target has not decided
  EXPECT_EQ(state.verdicts().offers().size(), 1u);
}

TEST(AnAdaptiveStage, JudgesNothingWhileACorrectionIsOnItsWay) {
  auto state = adaptive();
  disagree(state);
  disagree(state);
  const Token first = state.view()[3];
  state.receive(Progress{id, 3, 5, {first == 5 ? 9 : 5, 1}});  // the target's own text, before it saw this one
  EXPECT_EQ(state.verdicts().offers().size(), 2u);
  state.receive(Correction{id, 1, 3, 5, {first == 5 ? 9 : 5, 1}});
  EXPECT_THAT(state.verdicts().offers(), IsEmpty()) << "the first is judged, the second was about another text";
}

TEST(AnAdaptiveStage, KnowsAtTheNextSequenceWhatItHasLearned) {
  StageOptions options = stage_of(1, 3);
  options.lenience = Lenience::adaptive;
  options.window = 1;
  const auto taught = [&](Token right) {
    Stage stage(options);
    for (int sequence = 1; sequence <= 40; ++sequence) {
      const SequenceId id{sequence};
      stage.receive({2}, Start{id, 10, {1}});
      stage.receive({0}, Tokens{id, 0, 1, 0, {5}});
      stage.complete(std::get<Pass>(stage.next_work().at(0)), std::vector<Token>{9});
      const Token kept = stage.find(id)->view()[1];
      if (kept == right) {
        stage.receive({2}, Progress{id, 2, 2, {}});
      } else {
        stage.receive({2}, Correction{id, 1, 1, 2, {right}});
      }
      if (sequence == 40) return kept;
      stage.receive({2}, Finish{id});
    }
    return Token{0};
  };
  EXPECT_EQ(taught(5), 5);
  EXPECT_EQ(taught(9), 9);
}

}  // namespace
}  // namespace pipespec::decoding
