/// How many drafts are accepted: a protocol that shifts or drops drafts still gives the target's output, only slowly.
#include <gmock/gmock.h>

#include <cmath>
#include <numeric>

#include "support/virtual_pipeline.hpp"

namespace pipespec::testing {
namespace {

using decoding::Schedule;
using ::testing::Each;
using ::testing::Ge;

/// Lets everything happen that can, but for the target's own steps.
void settle(VirtualPipeline& pipeline) {
  const int target = pipeline.stages() - 1;
  for (bool happened = true; happened;) {
    happened = false;
    for (const Event& event : pipeline.events()) {
      if (event.kind != Event::Kind::deliver && event.stage == target) continue;
      if ((happened = pipeline.perform(event))) break;
    }
  }
}

/// The target steps when the stages below have drafted all they may.
void run_with_all_drafts(VirtualPipeline& pipeline, SequenceId sequence) {
  const int target = pipeline.stages() - 1;
  while (!pipeline.is_finished(sequence)) {
    settle(pipeline);
    pipeline.perform({pipeline.is_busy(target) ? Event::Kind::complete : Event::Kind::begin, target});
  }
  settle(pipeline);
}

VirtualPipeline::Options chain(std::vector<double> agreement) {
  VirtualPipeline::Options options;
  options.models.agreement = std::move(agreement);
  options.models.vocabulary = 1000;
  options.models.end_token = -1;
  return options;
}

std::int64_t sum(const std::vector<std::int64_t>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0});
}

/// Passes of the target for `tokens` tokens, summed over `sequences` sequences, the first token not counted.
double tokens_per_pass(const VirtualPipeline::Options& options, int sequences, int tokens) {
  std::int64_t passes = 0;
  for (int s = 0; s < sequences; ++s) {
    auto varied = options;
    varied.models.seed = s + 1;
    VirtualPipeline pipeline(varied);
    const SequenceId id = pipeline.start({1}, 1 + tokens);
    run_with_all_drafts(pipeline, id);
    passes += pipeline.statistics(pipeline.stages() - 1, id).passes;
  }
  return static_cast<double>(sequences) * tokens / static_cast<double>(passes);
}

/// Tokens a pass commits that checks `drafts` drafts, each right with chance a if those before it are: the geometric
/// sum of Leviathan et al., "Fast inference from transformers via speculative decoding", arXiv 2211.17192, eq. 1.
double expected_tokens(double a, int drafts) {
  return (1 - std::pow(a, drafts + 1)) / (1 - a);
}

// -------------------------------------------------------------------------------------------- drafts that are right

class PerfectDrafters : public ::testing::TestWithParam<int> {};

TEST_P(PerfectDrafters, AreNeverCorrectedAndWasteNothing) {
  const int stages = GetParam();
  for (const int window : {1, 2, 3, 7, 16}) {
    auto options = chain(std::vector<double>(stages - 1, 1.0));
    options.window = window;
    options.max_ahead = 20;
    VirtualPipeline pipeline(options);
    const SequenceId id = pipeline.start({1, 2}, 102);
    run_with_all_drafts(pipeline, id);
    for (int s = 1; s < stages; ++s) {
      const LinkStatistics& link = pipeline.statistics(s, id);
      EXPECT_EQ(link.corrections, 0) << "window " << window << ", stage " << s;
      EXPECT_EQ(link.stale, 0);
      EXPECT_EQ(link.wasted, 0);
      EXPECT_EQ(link.offered, link.accepted);
      EXPECT_EQ(sum(link.offered) > 0, window > 1);
    }
  }
}

TEST_P(PerfectDrafters, FillEveryWindowOfTheTarget) {
  auto options = chain(std::vector<double>(GetParam() - 1, 1.0));
  for (const int window : {1, 2, 5, 16}) {
    options.window = window;
    VirtualPipeline pipeline(options);
    const SequenceId id = pipeline.start({1}, 1 + 20 * window);
    run_with_all_drafts(pipeline, id);
    EXPECT_EQ(pipeline.statistics(GetParam() - 1, id).passes, 20) << "window " << window;
  }
}

TEST_P(PerfectDrafters, CommitTheLookaheadAndABonusTokenOfEveryStageAboveInASynchronousRound) {
  const int stages = GetParam();
  auto options = chain(std::vector<double>(stages - 1, 1.0));
  options.schedule = Schedule::synchronous;
  options.window = 32;
  for (const int lookahead : {1, 3, 8}) {
    options.lookahead = lookahead;
    const int a_round = lookahead + stages - 1;
    VirtualPipeline pipeline(options);
    const SequenceId id = pipeline.start({1}, 1 + 10 * a_round);
    run_with_all_drafts(pipeline, id);
    EXPECT_EQ(pipeline.statistics(stages - 1, id).passes, 10) << "lookahead " << lookahead;
  }
}

INSTANTIATE_TEST_SUITE_P(Stages, PerfectDrafters, ::testing::Values(2, 3, 4, 5));

// ------------------------------------------------------------------------------------- drafts that are often right

TEST(Acceptance, OfIndependentDraftsCommitsTheGeometricSum) {
  for (const double agreement : {0.3, 0.6, 0.9}) {
    for (const int window : {2, 4, 8}) {
      auto options = chain({agreement});
      options.window = window;
      const double expected = expected_tokens(agreement, window - 1);
      EXPECT_NEAR(tokens_per_pass(options, 40, 200), expected, 0.03 * expected)
          << "agreement " << agreement << ", window " << window;
    }
  }
}

TEST(Acceptance, OfTheSynchronousScheduleCommitsTheGeometricSum) {
  for (const double agreement : {0.3, 0.6, 0.9}) {
    for (const int lookahead : {1, 3, 7}) {
      auto options = chain({agreement});
      options.schedule = Schedule::synchronous;
      options.lookahead = lookahead;
      const double expected = expected_tokens(agreement, lookahead);
      EXPECT_NEAR(tokens_per_pass(options, 40, 200), expected, 0.03 * expected)
          << "agreement " << agreement << ", lookahead " << lookahead;
    }
  }
}

TEST(Acceptance, OfDraftersThatAreNeverRightCostsNoPassAndCorrectsEveryToken) {
  VirtualPipeline pipeline(chain({0.0}));
  const SequenceId id = pipeline.start({1}, 51);
  run_with_all_drafts(pipeline, id);
  const LinkStatistics& link = pipeline.statistics(1, id);
  EXPECT_EQ(link.passes, 50);
  EXPECT_EQ(sum(link.accepted), 0);
  EXPECT_THAT(link.corrections, Ge(49)) << "the last token may end the sequence before its draft is compared";
}

TEST(Acceptance, OfAMiddleStageThatMendsDraftsReachesTheTarget) {
  auto options = chain({0.5, 1.0});
  options.window = 8;
  VirtualPipeline pipeline(options);
  const SequenceId id = pipeline.start({1}, 1 + 80);
  run_with_all_drafts(pipeline, id);
  EXPECT_EQ(pipeline.statistics(2, id).corrections, 0);
  EXPECT_EQ(pipeline.statistics(2, id).passes, 10);
  EXPECT_GT(pipeline.statistics(1, id).corrections, 10);
}

// ---------------------------------------------------------------------------------------- drafters without guesses

TEST(ADrafterWithoutGuesses, FollowsTheTargetWithoutARollback) {
  auto options = chain({1.0});
  options.proposer = [](std::span<const Token>, int) { return decoding::Guess{}; };
  VirtualPipeline pipeline(options);
  const SequenceId id = pipeline.start({1, 2}, 32);
  while (pipeline.output(id).size() < 29) {
    settle(pipeline);
    pipeline.perform({pipeline.is_busy(1) ? Event::Kind::complete : Event::Kind::begin, 1});
  }
  settle(pipeline);
  EXPECT_THAT(pipeline.stage(0).find(id)->view(), ::testing::ElementsAreArray(pipeline.stage(1).find(id)->view()));
  EXPECT_EQ(pipeline.stage(0).find(id)->epoch_out(), 0);
}

TEST(ADrafterWithoutGuesses, IsHeardAsSoonAsItHasOne) {
  auto options = chain({1.0});
  options.window = 4;
  options.proposer = [models = options.models](std::span<const Token> view, int most) {
    if (view.size() < 10 || view.size() >= 13) return decoding::Guess{};
    return decoding::Guess{std::vector<Token>(std::min(most, 1), models.next(0, ToyText::of(view)))};
  };
  VirtualPipeline pipeline(options);
  const SequenceId id = pipeline.start({1, 2}, 22);
  run_with_all_drafts(pipeline, id);
  const LinkStatistics& link = pipeline.statistics(1, id);
  EXPECT_EQ(link.corrections, 0);
  EXPECT_THAT(link.accepted, ::testing::ElementsAre(1, 1, 1));
  EXPECT_EQ(link.passes, 20 - 3);
}

}  // namespace
}  // namespace pipespec::testing
