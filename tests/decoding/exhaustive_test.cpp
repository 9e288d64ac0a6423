/// The properties of the protocol over every schedule of small cases. VirtualPipeline checks them at every event.
#include <gtest/gtest.h>

#include "explorer.hpp"
#include "small_cases.hpp"

namespace pipespec::testing {
namespace {

using decoding::Schedule;

TEST(EverySchedule, OfTwoStages) {
  explore({.options = small({0.6}), .output = 6}, 6);
}

TEST(EverySchedule, OfThreeStages) {
  explore({.options = small({0.5, 0.7}), .output = 3}, 2);
  explore({.options = small({0.5, 0.7}), .output = 4}, 1, Reduction::persistent_sets);
}

TEST(EverySchedule, OfFourStages) {
  explore({.options = small({0.5, 0.7, 0.6}), .output = 2}, 1, Reduction::persistent_sets);
}

TEST(EverySchedule, OfTwoSequencesInFlight) {
  explore({.options = small({0.6}), .sequences = 2, .output = 4}, 2);
}

TEST(EverySchedule, OfSequencesStartedAndAbandonedAtAnyMoment) {
  ExplorerCase c{.options = small({0.6}),
                 .sequences = 2,
                 .output = 4,
                 .starts = Starts::at_any_moment,
                 .abandons = Abandons::anything_at_any_moment};
  explore(c, 1);
  c.sequences = 3;
  c.output = 2;
  explore(c, 4, Reduction::persistent_sets);
}

TEST(EverySchedule, OfThreeStagesWithASequenceAbandonedAtAnyMoment) {
  explore({.options = small({0.5, 0.7}), .output = 3, .abandons = Abandons::anything_at_any_moment}, 3,
          Reduction::persistent_sets);
}

TEST(EverySchedule, OfPassesThatHaveNoRowsForAll) {
  auto options = small({0.6});
  options.max_rows = 3;
  explore({.options = options, .sequences = 2, .prompt = 4, .output = 3, .starts = Starts::at_any_moment}, 2);
}

TEST(EverySchedule, OfTextsThatEndByThemselves) {
  auto options = small({0.6});
  options.models.end_rate = 0.3;
  explore({.options = options, .sequences = 2, .output = 5}, 4, Reduction::persistent_sets);
}

TEST(EverySchedule, OfADrafterWithoutAModel) {
  explore({.options = without_a_model(small({0.6})), .output = 6}, 6);
  explore({.options = without_a_model(small({0.6, 0.7})), .output = 4}, 2, Reduction::persistent_sets);
}

TEST(EverySchedule, OfPassesThatCheckAPartOfTheirDrafts) {
  auto options = small({0.6});
  options.window = 4;
  options.max_ahead = 3;
  options.checks_some = true;
  explore({.options = options, .output = 6}, 4);
}

TEST(EverySchedule, OfCachesThatHoldThePromptAlready) {
  auto options = small({0.6});
  options.reused = 2;
  explore({.options = options, .prompt = 3, .output = 5}, 4);
}

TEST(EverySchedule, OfALenientStage) {
  auto options = small({0.5, 0.7});
  for (const Lenience lenience : {Lenience::trust, Lenience::adaptive}) {
    options.lenience = {Lenience::strict, lenience};
    explore({.options = options, .output = 3}, 1, Reduction::persistent_sets);
    explore({.options = without_a_model(options), .output = 4}, 1, Reduction::persistent_sets);
  }
}

TEST(EverySchedule, OfTheSynchronousChain) {
  auto options = small({0.6, 0.7});
  options.schedule = Schedule::synchronous;
  explore({.options = options,
           .sequences = 2,
           .output = 6,
           .starts = Starts::at_any_moment,
           .abandons = Abandons::anything_at_any_moment},
          4);
  options.models.agreement.push_back(0.5);
  explore({.options = options, .output = 8}, 8);
  for (const Lenience lenience : {Lenience::trust, Lenience::adaptive}) {
    options.lenience = {Lenience::strict, lenience, lenience};
    explore({.options = options, .output = 8}, 8);
  }
}

// ------------------------------------------------------------------------------------------ what may be left out

class Reductions : public ::testing::TestWithParam<ExplorerCase> {};

TEST_P(Reductions, WithSleepSetsVisitEveryState) {
  const Exploration all = Explorer(GetParam(), Reduction::none).run();
  const Exploration reduced = Explorer(GetParam(), Reduction::sleep_sets).run();
  EXPECT_EQ(reduced.states, all.states);
  EXPECT_EQ(reduced.stage_states, all.stage_states);
  EXPECT_LT(reduced.transitions, all.transitions);
}

TEST_P(Reductions, WithPersistentSetsSeeEveryStageInEveryStateItCanBeIn) {
  const Exploration all = Explorer(GetParam(), Reduction::none).run();
  const Exploration reduced = Explorer(GetParam(), Reduction::persistent_sets).run();
  EXPECT_EQ(reduced.stage_states, all.stage_states);
  EXPECT_LT(reduced.states, all.states);
}

INSTANTIATE_TEST_SUITE_P(SmallCases, Reductions,
                         ::testing::Values(ExplorerCase{.options = small({0.6}), .output = 4},
                                           ExplorerCase{.options = small({0.5, 0.7}), .output = 2},
                                           ExplorerCase{.options = small({0.6}), .sequences = 2, .output = 2},
                                           ExplorerCase{.options = small({0.6}),
                                                        .sequences = 2,
                                                        .output = 1,
                                                        .starts = Starts::at_any_moment,
                                                        .abandons = Abandons::anything_at_any_moment}));

}  // namespace
}  // namespace pipespec::testing
