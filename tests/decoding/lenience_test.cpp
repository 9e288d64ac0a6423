/// Who may overrule whom: protocol.md "Lenience".
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

// ------------------------------------------------------------------------------------------------------- trust

TEST(ATrustingStage, KeepsADraftThatItWouldNotHaveChosenAndChecksThoseBehindIt) {
  auto state = lenient(Lenience::trust, {5, 6, 7});
  const StepResult result = step(state, {5, 9, 9, 8});
  EXPECT_THAT(result.appended, ElementsAre(5, 6, 7, 8)) << "the last is its own";
  EXPECT_EQ(result.accepted, 3);
  EXPECT_EQ(result.wasted, 0);
  EXPECT_EQ(state.kv_length(), 7) << "the drafts' rows are computed, and they are of the view";
  EXPECT_THAT(state.statistics().accepted, ElementsAre(1, 1, 1));
  EXPECT_THAT(sent(state), ElementsAre("tokens to 2, epoch 0, at 4: 5 6 7 8", "progress to 0, at 7: 8"));
}

TEST(ATrustingStage, PrefersTheWaitingDraftToTheBonusToken) {
  auto state = lenient(Lenience::trust, {5, 6, 7}, 2);
  EXPECT_THAT(step(state, {5, 9}).appended, ElementsAre(5, 6));
  EXPECT_EQ(state.kv_length(), 5);
  EXPECT_THAT(state.drafts(), ElementsAre(7));
  EXPECT_THAT(sent(state), ElementsAre("tokens to 2, epoch 0, at 4: 5 6", "progress to 0, at 6: ")) << "no correction";
}

TEST(ATrustingStage, AddsItsOwnTokenWhereThereIsNoDraft) {
  auto state = lenient(Lenience::trust, {});
  EXPECT_THAT(step(state, {9}).appended, ElementsAre(9));
}

TEST(ATrustingStage, TakesDraftsThatHaveBeenWithdrawnForItsOwnTokensOnly) {
  auto state = lenient(Lenience::trust, {5, 6, 7});
  const Pass pass = next_pass(state);    // 4 5 6 7
  state.receive(correction(1, 3, {8}));  // the stage above changes its mind
  state.receive(correction(2, 3, {4}));  // twice, and the drafts are gone
  EXPECT_THAT(state.complete(pass, std::vector<Token>{5, 9, 9, 8}).appended, ElementsAre(5, 9)) << "6 is not kept";
}

TEST(ATrustingStage, BelievesTheStageAboveAllTheSame) {
  auto state = lenient(Lenience::trust, {5, 6, 7});
  step(state, {9, 9, 9, 9});
  state.receive(correction(1, 4, {8}));
  EXPECT_THAT(state.view(), ElementsAre(1, 2, 3, 4, 8));
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

/// A step where the draft is 5 and the own token 9. Returns what the stage appended.
Token disagree(SequenceState& state) {
  state.receive(Tokens{id, state.epoch_in(), static_cast<Position>(state.view().size()), 0, {5}});
  return step(state, {9}).appended.at(0);
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

TEST(AnAdaptiveStage, LearnsNothingWhereBothWereWrong) {
  auto state = adaptive();
  const Token before = disagree(state);
  decide(state, 7);
  const auto learned = state.verdicts().for_next_sequence();
  Digest digest, untouched;
  learned.add_to(digest);
  Verdicts().add_to(untouched);
  EXPECT_EQ(digest.value(), untouched.value());
  EXPECT_EQ(disagree(state), before);
}

TEST(AnAdaptiveStage, JudgesNothingBehindATextThatTheTargetHasNotConfirmed) {
  auto state = adaptive();
  disagree(state);
  state.receive(Progress{id, 4, 3, {}});  // the stage above has the token, too; the target has not decided
  EXPECT_EQ(state.verdicts().disputes().size(), 1u);
}

TEST(AnAdaptiveStage, JudgesNothingWhileACorrectionIsOnItsWay) {
  auto state = adaptive();
  disagree(state);
  disagree(state);
  const Token first = state.view()[3];
  state.receive(Progress{id, 3, 5, {first == 5 ? 9 : 5, 1}});  // the target's own text, before it saw this one
  EXPECT_EQ(state.verdicts().disputes().size(), 2u);
  state.receive(Correction{id, 1, 3, 5, {first == 5 ? 9 : 5, 1}});
  EXPECT_THAT(state.verdicts().disputes(), IsEmpty()) << "the first is judged, the second was about another text";
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
      const Token kept = stage.complete(std::get<Pass>(stage.next_work().at(0)), std::vector<Token>{9}).appended.at(0);
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
