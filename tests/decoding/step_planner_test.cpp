/// What a stage's policy makes of streams of drafts, in times that are made up.
#include "decoding/step_planner.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <vector>

namespace pipespec::decoding {
namespace {

using Kind = StepPolicy::Kind;

StageOptions target_options(int window = 9, int max_ahead = 64) {
  StageOptions options;
  options.index = {1};
  options.stages = 2;
  options.window = window;
  options.max_ahead = max_ahead;
  return options;
}

/// A target with one sequence. Time passes in its passes, of 1 s and `row` for each draft, and in its waits.
struct Target {
  StepPlanner planner;
  double row = 0;
  double slowness = 1;                                          // of the machine
  std::function<bool(int)> accepts = [](int) { return true; };  // the draft behind so many accepted ones of the pass
  double now = 0;
  double waited = 0;
  double tokens = 0;
  int checked = 0;
  int steps = 0;

  explicit Target(StepPolicy policy, double row_seconds = 0) : planner(policy, target_options()), row(row_seconds) {}

  static Candidate candidate(int drafts, bool expects = true) {
    return {.sequence = {1}, .rows = 1, .drafts = drafts, .expects_drafts = expects};
  }

  /// One step. `drafts_at(t)`: how many drafts have come t seconds after the last pass.
  void step(const std::function<int(double)>& drafts_at, bool expects = true) {
    constexpr double tick = 1e-3;
    const double begin = now;
    StepPlan plan;
    int drafts = 0;
    for (;; now += tick) {
      drafts = std::min(8, drafts_at(now - begin));
      plan = planner.plan(std::vector{candidate(drafts, expects)}, now);
      if (!plan.choices.empty()) break;
    }
    EXPECT_NEAR(plan.waited, now - begin, 1e-9);
    waited += plan.waited;
    const int count = plan.choices.front().drafts;
    Pass pass{.sequence = {1}, .tokens = std::vector<Token>(1 + count, 7), .drafts = count, .outputs = 1 + count};
    const double end = now + slowness * (1 + row * count);
    planner.passed(std::vector<Work>{pass}, now, end);
    now = end;
    StepResult result;
    while (result.accepted < count && accepts(result.accepted)) ++result.accepted;
    result.appended.assign(1 + result.accepted, 7);
    const bool has_next = result.accepted == count && count < drafts;
    const auto next = has_next ? std::optional(Draft{accepts(count) ? 7 : 8, {}}) : std::nullopt;
    planner.completed(pass, result, next);
    tokens += 1 + result.accepted;
    checked += count;
    ++steps;
  }

  void steps_with(int count, const std::function<int(double)>& drafts_at, bool expects = true) {
    waited = tokens = checked = steps = 0;
    for (int i = 0; i < count; ++i) step(drafts_at, expects);
  }
};

std::function<int(double)> always(int drafts) {
  return [drafts](double) { return drafts; };
}

/// `drafts` at once, `seconds` after the pass.
std::function<int(double)> after(double seconds, int drafts) {
  return [=](double t) { return t >= seconds ? drafts : 0; };
}

// ------------------------------------------------------------------------------------------- how many drafts

TEST(Adaptive, ChecksNoDraftsOfAHopelessDrafter) {
  Target target({Kind::adaptive}, 0.1);
  target.accepts = [](int) { return false; };
  target.steps_with(50, always(8));
  target.steps_with(1000, always(8));
  EXPECT_EQ(target.checked, 0);
  EXPECT_EQ(target.waited, 0);
}

TEST(Adaptive, FindsOutWhenAHopelessDrafterBecomesGood) {
  Target target({Kind::adaptive}, 0.1);
  target.accepts = [](int) { return false; };
  target.steps_with(300, always(8));
  target.accepts = [](int) { return true; };
  target.steps_with(60, always(8));
  target.steps_with(100, always(8));
  EXPECT_EQ(target.checked, 800);
}

TEST(Adaptive, ChecksAllDraftsWhereRowsCostNothing) {
  Target target({Kind::adaptive}, 0);
  std::mt19937 random(1);
  target.accepts = [&](int) { return random() % 2 == 0; };
  target.steps_with(100, always(8));
  target.steps_with(1000, always(8));
  EXPECT_GT(target.checked, 0.98 * 8000);
}

TEST(Adaptive, ChecksAsManyDraftsAsPayForTheirRows) {
  // Half the drafts are right and a row costs 0.1 passes: d drafts give (2 - 2^-d) / (1 + 0.1 d) tokens a second, most
  // with 2 of them.
  Target target({Kind::adaptive}, 0.1);
  std::mt19937 random(1);
  target.accepts = [&](int) { return random() % 2 == 0; };
  target.steps_with(300, always(8));
  target.steps_with(3000, always(8));
  const double best = 1.75 / 1.2, rate = target.tokens / (target.steps + 0.1 * target.checked);
  EXPECT_GT(rate, 0.98 * best);
}

TEST(Adaptive, ChecksAsManyDraftsWhereTheMachineBecomesSlow) {
  Target target({Kind::adaptive}, 0.15);
  std::mt19937 random(1);
  target.accepts = [&](int) { return std::bernoulli_distribution(0.7)(random); };
  target.steps_with(2000, always(8));
  target.steps_with(500, always(8));
  const double usual = target.checked / 500.0;
  target.slowness = 3;
  target.steps_with(5, always(8));  // until it notices
  target.steps_with(30, always(8));
  EXPECT_NEAR(target.checked / 30.0, usual, 0.25 * usual);
}

TEST(Adaptive, ChecksMoreWhereDraftsHaveBeenGoodLately) {
  // Stretches of 40 steps in which all drafts are right, and in which none is.
  Target target({Kind::adaptive}, 0.1);
  int at = 0;
  target.accepts = [&](int) { return at / 40 % 2 == 0; };
  int good = 0, bad = 0;
  for (; at < 4000; ++at) {
    target.checked = 0;
    target.step(always(8));
    if (at % 40 >= 10) (at / 40 % 2 == 0 ? good : bad) += target.checked;
  }
  EXPECT_GT(good, 0.95 * 8 * 1500);
  EXPECT_LT(bad, 0.1 * 1500);
}

TEST(Adaptive, RowsGoToTheLikelierSequence) {
  Target target({Kind::adaptive}, 0.3);
  StepPlanner& planner = target.planner;
  const auto pass_of = [](int sequence) {
    return Pass{.sequence = {sequence}, .tokens = {7, 7}, .drafts = 1, .outputs = 2};
  };
  for (int i = 0; i < 200; ++i) {
    const std::vector<Work> work = {pass_of(1), pass_of(2)};
    planner.passed(work, i * 2, i * 2 + 1.2);
    StepResult right, wrong;
    right.appended = {7, 7};
    right.accepted = 1;
    wrong.appended = {8};
    planner.completed(pass_of(1), right, std::nullopt);
    planner.completed(pass_of(2), wrong, std::nullopt);
    // Passes without drafts, so that the price of a row is known.
    const std::vector<Work> plain = {Pass{.sequence = {1}, .tokens = {7}}, Pass{.sequence = {2}, .tokens = {7}}};
    planner.passed(plain, i * 2 + 1.2, i * 2 + 2);
  }
  const Candidate one{.sequence = {1}, .rows = 1, .drafts = 4}, other{.sequence = {2}, .rows = 1, .drafts = 4};
  const StepPlan plan = planner.plan(std::vector{one, other}, 1000);
  EXPECT_GT(plan.of({1}).drafts, 0);
  EXPECT_EQ(plan.of({2}).drafts, 0);
}

TEST(Adaptive, TellsWhatItExpects) {
  Target target({Kind::adaptive});
  target.steps_with(500, always(3));
  const StepPlan plan = target.planner.plan(std::vector{Target::candidate(3)}, target.now);
  EXPECT_EQ(plan.of({1}).available, 3);
  EXPECT_NEAR(plan.of({1}).expected, 4, 0.1);
}

// ----------------------------------------------------------------------------------------------- waiting

TEST(Adaptive, WaitsForDraftsThatComeInASmallPartOfAPass) {
  Target target({Kind::adaptive}, 0.05);
  target.steps_with(50, after(0.02, 8));
  target.steps_with(100, after(0.02, 8));
  EXPECT_EQ(target.checked, 800);
  EXPECT_NEAR(target.waited, 100 * 0.02, 0.2);
}

TEST(Adaptive, NeverWaitsWhereNoneCome) {
  Target target({Kind::adaptive});
  target.steps_with(100, always(0), false);
  EXPECT_EQ(target.waited, 0);
}

TEST(Adaptive, SoonStopsWaitingWhereAnswersAreSlow) {
  Target target({Kind::adaptive}, 0.05);
  target.steps_with(200, after(20, 8));
  target.steps_with(2000, after(20, 8));
  EXPECT_LT(target.waited, 0.02 * 2000);
}

TEST(Adaptive, FindsOutWhenAnswersBecomeFast) {
  Target target({Kind::adaptive}, 0.05);
  target.steps_with(500, after(20, 8));
  target.steps_with(1000, after(0.02, 8));
  target.steps_with(100, after(0.02, 8));
  EXPECT_EQ(target.checked, 800);
}

TEST(Adaptive, DoesNotWaitForDraftsThatAreAlwaysWrong) {
  Target target({Kind::adaptive}, 0.1);
  target.accepts = [](int) { return false; };
  target.steps_with(300, after(0.01, 8));
  target.steps_with(1000, after(0.01, 8));
  EXPECT_LT(target.waited, 0.001 * 1000);
}

TEST(Lookahead, WaitsForItsDraftsWhateverTheyCost) {
  Target target({.kind = Kind::lookahead, .lookahead = 4});
  const auto one_a_second = [](double t) { return static_cast<int>(t + 1e-6); };
  target.steps_with(20, one_a_second);
  EXPECT_EQ(target.checked, 60);
  EXPECT_NEAR(target.waited, 60, 0.1);
}

TEST(Lookahead, GoesOnWhereNoMoreWillCome) {
  Target target({.kind = Kind::lookahead, .lookahead = 4});
  target.steps_with(20, always(1), false);
  EXPECT_EQ(target.checked, 20);
  EXPECT_EQ(target.waited, 0);
}

TEST(Lookahead, WaitsForNoMoreThanTheStageBelowMaySend) {
  StepPlanner planner({.kind = Kind::lookahead, .lookahead = 8}, target_options(9, 2));
  EXPECT_TRUE(planner.plan(std::vector{Target::candidate(1)}, 0).choices.empty());
  EXPECT_EQ(planner.plan(std::vector{Target::candidate(2)}, 1).of({1}).drafts, 2);
}

TEST(Lookahead, TellsHowLongAStageInTheMiddleWaited) {
  StageOptions options;
  options.index = {1};
  options.stages = 3;
  StepPlanner planner({.kind = Kind::lookahead, .lookahead = 4}, options);
  Candidate candidate = Target::candidate(0);
  for (const double now : {0.0, 1.0, 2.0}) {
    candidate.ahead = 3 + static_cast<int>(now);
    EXPECT_TRUE(planner.plan(std::vector{candidate}, now).choices.empty());
  }
  candidate.drafts = 3;
  EXPECT_EQ(planner.plan(std::vector{candidate}, 3).waited, 3);
}

TEST(Lookahead, ASequenceThatWaitsDoesNotHoldUpAnother) {
  StepPlanner planner({.kind = Kind::lookahead, .lookahead = 4}, target_options());
  const Candidate one{.sequence = {1}, .rows = 1, .drafts = 1, .expects_drafts = true};
  const Candidate other{.sequence = {2}, .rows = 1, .drafts = 3, .expects_drafts = true};
  const StepPlan plan = planner.plan(std::vector{one, other}, 0);
  ASSERT_EQ(plan.choices.size(), 1u);
  EXPECT_EQ(plan.choices.front().sequence, (SequenceId{2}));
}

TEST(Adaptive, ChecksTheDraftsThatTheStageBelowIsSureOf) {
  const std::vector<Confidence> sure(4, Confidence::of_probability(0.95f)),
      unsure(4, Confidence::of_probability(0.15f));
  StepPlanner planner({Kind::adaptive}, target_options());
  double now = 0;
  const auto checked = [&](const std::vector<Confidence>& confidences, int accepted) {
    const Candidate one{.sequence = {1}, .rows = 1, .drafts = 4, .expects_drafts = false, .of_drafts = confidences};
    const int count = planner.plan(std::vector{one}, now).choices.front().drafts;
    const Pass pass{.sequence = {1},
                    .tokens = std::vector<Token>(1 + count, 7),
                    .drafts = count,
                    .outputs = 1 + count,
                    .of_drafts = {confidences.begin(), confidences.begin() + count}};
    const double end = now + 1 + 0.2 * count;  // a draft costs a fifth of a pass
    planner.passed(std::vector<Work>{pass}, now, end);
    now = end;
    StepResult result;
    result.accepted = std::min(accepted, count);
    result.appended.assign(1 + result.accepted, 7);
    planner.completed(pass, result,
                      result.accepted == count ? std::optional(Draft{count < accepted ? 7 : 8, confidences[count % 4]})
                                               : std::nullopt);
    return count;
  };
  for (int i = 0; i < 60; ++i) {
    checked(sure, 4);
    checked(unsure, 0);
  }
  EXPECT_EQ(checked(sure, 4), 4);
  EXPECT_EQ(checked(unsure, 0), 0);
}

TEST(Eager, StepsAtOnceWithAllDrafts) {
  Target target({Kind::eager}, 1);
  target.accepts = [](int) { return false; };
  target.steps_with(50, after(0.01, 8));
  EXPECT_EQ(target.checked, 0);
  target.steps_with(50, always(8));
  EXPECT_EQ(target.checked, 400);
  EXPECT_EQ(target.waited, 0);
}

// ------------------------------------------------------------------------------------- the end of guessing

/// A stage below a target that takes so many of its tokens and rejects the next.
struct Drafter {
  std::shared_ptr<StageOptions> options = of_two_stages();
  StepPlanner planner;
  SequenceState state{options, Start{{1}, 100000, {1}}};

  explicit Drafter(StepPolicy policy, double takes_from_target = 0) : planner(policy, *options, takes_from_target) {}

  static std::shared_ptr<StageOptions> of_two_stages() {
    StageOptions options;
    options.stages = 2;
    return std::make_shared<StageOptions>(options);
  }

  Confidence confidence = {};  // of its tokens
  double now = 0, seconds_of_target = 1;

  void draft() {
    const auto work = state.next_work();
    ASSERT_TRUE(work);
    planner.passed(std::vector{*work}, now, now + 0.2);
    state.complete(std::get<Pass>(*work), std::vector<Token>{7}, {&confidence, 1});
  }

  void correct(int accepted) {
    const auto position = static_cast<Position>(state.acknowledged() + accepted);
    const Correction correction{{1}, state.epoch_out() + 1, position, position, {8}};
    now += seconds_of_target;
    planner.heard(correction, state, now);
    state.receive(correction);
  }

  bool goes_on() {
    Candidate candidate = *state.candidate();
    candidate.rows = 1;  // others keep the cache up to date
    return !planner.plan(std::vector{candidate}, 0).choices.empty();
  }

  /// How far it drafts before it pauses.
  int depth() {
    int drafted = 0;
    for (; drafted < 60 && goes_on(); ++drafted) draft();
    return drafted;
  }
};

TEST(Adaptive, StopsGuessingWhatIsAlmostCertainlyVoid) {
  Drafter drafter({Kind::adaptive});
  for (int i = 0; i < 50; ++i) {
    drafter.depth();
    drafter.correct(0);
  }
  EXPECT_LE(drafter.depth(), 2);
}

TEST(Adaptive, GoesOnGuessingAsLongAsItIsSure) {
  const Confidence sure = Confidence::of_probability(0.95f), unsure = Confidence::of_probability(0.15f);
  Drafter drafter({Kind::adaptive});
  for (int i = 0; i < 30; ++i) {
    drafter.confidence = sure;
    drafter.correct(std::min(drafter.depth() - 1, 9));  // nine of ten are right
    drafter.confidence = unsure;
    drafter.depth();
    drafter.correct(0);
  }
  drafter.confidence = sure;
  EXPECT_GT(drafter.depth(), 10);
  drafter.correct(0);
  drafter.confidence = unsure;
  EXPECT_LE(drafter.depth(), 3);
}

/// Tokens that a drafter computes, in passes of 0.2 s, between `corrections` of a target that takes `accepted` of them
/// a second.
int drafted(Drafter& drafter, int corrections, int accepted) {
  int count = 0;
  for (int i = 0; i < corrections; ++i) {
    const int depth = drafter.depth();
    drafter.correct(std::min(depth, accepted));
    count += depth;
  }
  return count;
}

TEST(Adaptive, AbstainsWhereItsTokensAreWorthLessThanTheTargetsTime) {
  Drafter drafter({Kind::adaptive}, 1);
  drafted(drafter, 200, 0);
  const int tries = drafted(drafter, 300, 0);
  EXPECT_GE(tries, 3) << "now and then it tries";
  EXPECT_LE(tries, 15);
  drafted(drafter, 300, 1);
  EXPECT_GE(drafted(drafter, 100, 1), 100) << "and finds out that they are taken";
}

TEST(Adaptive, TellsTheStageAboveThatItAbstains) {
  Drafter drafter({Kind::adaptive}, 1);
  while (drafter.goes_on()) {
    drafted(drafter, 1, 0);
    ASSERT_LT(drafter.now, 1000);
  }
  Candidate candidate = *drafter.state.candidate();
  candidate.ahead = 0;
  candidate.of_ahead = {};
  candidate.may_abstain = true;
  EXPECT_EQ(drafter.planner.plan(std::vector{candidate}, 0).abstentions.size(), 1u);
  candidate.may_abstain = false;
  EXPECT_EQ(drafter.planner.plan(std::vector{candidate}, 0).abstentions.size(), 0u);
}

TEST(Adaptive, GoesOnWithProcessorsOfItsOwn) {
  Drafter drafter({Kind::adaptive});
  EXPECT_GE(drafted(drafter, 300, 0), 300);
}

TEST(Adaptive, GoesOnWhereTheTargetLosesLittle) {
  // Its tokens are never worth a second of the target, which brings a token meanwhile, but a tenth of one.
  const auto tokens = [](double takes_from_target) {
    Drafter drafter({Kind::adaptive}, takes_from_target);
    int count = 0;
    for (int i = 0; i < 200; ++i) count += drafted(drafter, 1, i % 4 == 0);
    return count;
  };
  EXPECT_GE(tokens(0.1), 180);
  EXPECT_LE(tokens(5), 40);
}

/// A lenient stage between two others, of passes of `pass` s and `row` for each row. The target confirms a token a
/// second, from below if `offers` one.
struct Middle {
  StageOptions options = between_two();
  StepPlanner planner;
  SequenceState state{std::make_shared<StageOptions>(options), Start{{1}, 1000, {1}}};

  Middle(double takes_from_target, double pass, double row, bool offers = false)
      : planner({Kind::adaptive}, options, takes_from_target) {
    for (int i = 0; i < 40; ++i) {
      const auto position = static_cast<Position>(state.view().size());
      if (offers) state.receive(Tokens{{1}, 0, position, 0, {7}, {Confidence::of_match(3)}});
      const Progress progress{{1}, position, position + 1, {7}};
      planner.heard(progress, state, i);
      state.receive(progress);
      const int rows = i % 2 == 0 ? 1 : 40;
      const Pass work{.sequence = {1}, .tokens = std::vector<Token>(rows, 7), .outputs = 1};
      planner.passed(std::vector<Work>{work}, i, i + pass + row * rows);
    }
  }

  static StageOptions between_two() {
    StageOptions options;
    options.index = {1};
    options.stages = 3;
    options.lenience = Lenience::trust;
    return options;
  }

  bool abstains(const Candidate& candidate, int count = 1) {
    return planner.plan(std::vector(count, candidate), 40).choices.empty();
  }
};

TEST(Adaptive, PassesADraftOnWhereItsOwnTokenIsNotWorthThePass) {
  Middle middle(1, 0.2, 0);
  Candidate candidate{.sequence = {1}, .rows = 1, .drafts = 1, .may_abstain = true, .doubt = 0.1};
  EXPECT_EQ(middle.planner.plan(std::vector{candidate}, 40).abstentions.size(), 1u);
  candidate.doubt = 0.3;
  const StepPlan plan = middle.planner.plan(std::vector{candidate}, 40);
  EXPECT_EQ(plan.choices.size(), 1u);
  EXPECT_TRUE(plan.abstentions.empty());
}

TEST(Adaptive, ChargesAnEighthOfRowsInArrears) {
  Middle middle(1, 0, 0.1);  // of a token it expects 0.6 of one
  EXPECT_FALSE(middle.abstains({.sequence = {1}, .rows = 1}));
  EXPECT_FALSE(middle.abstains({.sequence = {1}, .rows = 10})) << "a second";
  EXPECT_TRUE(middle.abstains({.sequence = {1}, .rows = 40}));
}

TEST(Adaptive, SequencesShareThePriceOfAPass) {
  Middle middle(2, 0.5, 0.01);
  EXPECT_TRUE(middle.abstains({.sequence = {1}, .rows = 1}));
  EXPECT_FALSE(middle.abstains({.sequence = {1}, .rows = 1}, 4));
}

TEST(Adaptive, LearnsNothingOfItsOwnTokensFromThoseThatItPassedOn) {
  Middle middle(1, 0.8, 0, true);
  EXPECT_TRUE(middle.abstains({.sequence = {1}, .rows = 1})) << "all that were passed on are taken";
}

TEST(Adaptive, ComputesAPromptHoweverFarAheadTheTextBehindItIs) {
  Drafter drafter({Kind::adaptive});
  for (int i = 0; i < 50; ++i) {
    drafter.depth();
    drafter.correct(0);
  }
  Candidate prompt{.sequence = {1}, .rows = 100, .is_prefill = true, .ahead = 15};
  EXPECT_EQ(drafter.planner.plan(std::vector{prompt}, 0).choices.size(), 1u);
  prompt.is_prefill = false;
  EXPECT_TRUE(drafter.planner.plan(std::vector{prompt}, 0).choices.empty());
}

TEST(Adaptive, DraftsFarAheadWhereItIsBelieved) {
  Drafter drafter({Kind::adaptive});
  for (int i = 0; i < 10; ++i) {
    const int drafted = drafter.depth();
    drafter.correct(drafted - 1);
  }
  EXPECT_GT(drafter.depth(), 20);
}

TEST(Adaptive, WaitsForDraftsThatSpareItAPass) {
  // A stage in the middle, of passes of 1 s. At first the stage below is slow; then it has eight drafts soon after a
  // correction, which are passed on at once: a pass that begins before is in vain.
  StageOptions options;
  options.index = {1};
  options.stages = 3;
  StepPlanner planner({Kind::adaptive}, options);
  const Candidate cut{.sequence = {1}, .rows = 1, .expects_drafts = true};
  Candidate passed_on = cut;
  passed_on.ahead = 8;
  double now = 0;
  const auto waits = [&](double seconds, const Candidate& then) {
    const StepPlan plan = planner.plan(std::vector{cut}, now);
    const bool is_waiting = plan.choices.empty();
    now += is_waiting ? std::min(seconds, plan.look_again - now) : 0;
    if (!is_waiting || !planner.plan(std::vector{then}, now).choices.empty()) {
      planner.passed(std::vector<Work>{Pass{.sequence = {1}, .tokens = {7}, .outputs = 1}}, now, now + 1);
      now += 1;
    }
    return is_waiting;
  };
  for (int i = 0; i < 50; ++i) waits(100, cut);
  EXPECT_FALSE(waits(100, cut));
  for (int i = 0; i < 2000; ++i) waits(0.02, passed_on);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(waits(0.02, passed_on));
}

TEST(Adaptive, AWaitOfSomeSequencesEndsWhateverTheOthersHavePassedOn) {
  StageOptions options;
  options.index = {1};
  options.stages = 3;
  StepPlanner planner({Kind::adaptive}, options);
  planner.passed(std::vector<Work>{Pass{.sequence = {1}, .tokens = {7}, .outputs = 1}}, 0, 1);
  const Candidate waits{.sequence = {1}, .rows = 1, .expects_drafts = true};
  const Candidate in_vain{.sequence = {2}, .rows = 1, .expects_drafts = true, .ahead = 15};
  const std::vector both = {waits, in_vain};
  const StepPlan first = planner.plan(both, 1);
  ASSERT_TRUE(first.choices.empty());
  EXPECT_EQ(planner.plan(both, 1).look_again, first.look_again);
  EXPECT_EQ(planner.plan(both, first.look_again).choices.size(), 1u);
}

TEST(Eager, NeverStopsGuessing) {
  Drafter drafter({Kind::eager});
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(drafter.depth(), 60);
    drafter.correct(0);
  }
}

// ------------------------------------------------------------------------------------------------- estimates

TEST(PassTimes, AreALineThroughWhatWasSeen) {
  PassTimes times;
  EXPECT_EQ(times.seconds(1), 0);
  for (int i = 0; i < 300; ++i) times.observe(1 + i % 4, 10 + 2 * (1 + i % 4));
  EXPECT_NEAR(times.seconds(2), 14, 0.2);
  EXPECT_NEAR(times.seconds(100), 210, 10);
}

TEST(PassTimes, KnowTheStepsOfTheTrueCurve) {
  PassTimes times;
  const auto curve = [](int rows) { return rows <= 4 ? 10.0 : 18.0; };
  for (int i = 0; i < 400; ++i) times.observe(1 + i % 8, curve(1 + i % 8));
  for (int rows = 1; rows <= 8; ++rows) EXPECT_NEAR(times.seconds(rows), curve(rows), 0.5) << rows;
}

TEST(PassTimes, LongPassesSayNothingOfShortOnes) {
  PassTimes times;
  for (int i = 0; i < 100; ++i) {
    times.observe(1 + i % 4, 10 + 0.1 * (i % 4));
    times.observe(128, 128);
  }
  EXPECT_NEAR(times.seconds(120) - times.seconds(110), 10, 0.1);
  EXPECT_NEAR(times.seconds(6), 10.5, 0.5);
}

TEST(PassTimes, APassThatWasDisturbedCountsLittle) {
  PassTimes times;
  for (int i = 0; i < 100; ++i) times.observe(1 + i % 4, 10);
  times.observe(3, 1000);
  EXPECT_LT(times.seconds(3), 11);
}

TEST(PassTimes, ASlowTimeOfTheMachineTellsNothingOfRows) {
  PassTimes times;
  for (int i = 0; i < 200; ++i) times.observe(1 + i % 4, 10 + (1 + i % 4));
  for (int i = 0; i < 30; ++i) times.observe(2, 18);  // 1.5 times what it was
  EXPECT_NEAR(times.seconds(2), 18, 0.5);
  EXPECT_NEAR(times.seconds(4), 21, 1);
  EXPECT_NEAR(times.slowness(), 1.5, 0.1);
}

TEST(AcceptanceChance, ForgetsWithTimeWhatItKnew) {
  AcceptanceChance chance;
  for (int i = 0; i < 100; ++i) chance.observe({}, {}, false);
  EXPECT_LT(chance.of_draft_behind({}, {}), 0.05);
  for (int i = 0; i < 1000; ++i) chance.fade();
  EXPECT_GT(chance.of_draft_behind({}, {}), 0.55);
}

TEST(AcceptanceChance, DependsOnWhatHappenedLately) {
  // Drafts are right in runs of 10, and wrong in runs of 10.
  AcceptanceChance chance;
  Streak streak;
  for (int i = 0; i < 2000; ++i) {
    const bool accepted = i / 10 % 2 == 0;
    chance.observe(streak, {}, accepted);
    streak = streak.after(accepted);
  }
  const auto behind = [&](int accepted, int rejected) {
    Streak s;
    for (int i = 0; i < accepted; ++i) s = s.after(true);
    for (int i = 0; i < rejected; ++i) s = s.after(false);
    return chance.of_draft_behind(s, {});
  };
  EXPECT_GT(behind(3, 0), 0.95);
  EXPECT_LT(behind(3, 3), 0.05);
}

TEST(AcceptanceChance, DependsOnTheConfidence) {
  const Confidence sure = Confidence::of_probability(0.95f), unsure = Confidence::of_probability(0.15f);
  AcceptanceChance chance;
  Streak streak;
  std::mt19937 random;
  for (int i = 0; i < 1000; ++i) {
    const bool is_sure = i % 2 == 0;
    const bool accepted = std::bernoulli_distribution(is_sure ? 0.9 : 0.2)(random);
    chance.observe(streak, is_sure ? sure : unsure, accepted);
    streak = streak.after(accepted);
  }
  EXPECT_GT(chance.of_draft_behind({}, sure), 0.75);
  EXPECT_LT(chance.of_draft_behind({}, unsure), 0.4);
  EXPECT_NEAR(chance.of_draft_behind({}, Confidence::of_probability(0.55f)), 0.55, 0.15) << "not seen: the mean of all";
}

}  // namespace
}  // namespace pipespec::decoding
