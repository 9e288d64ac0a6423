/// The properties of the protocol over every schedule of cases that take minutes.
#include <gtest/gtest.h>

#include "explorer.hpp"
#include "small_cases.hpp"

namespace pipespec::testing {
namespace {

TEST(EveryScheduleAtLength, OfTwoStages) {
  explore({.options = small({0.6}), .output = 12}, 6);
}

TEST(EveryScheduleAtLength, OfThreeStages) {
  explore({.options = small({0.5, 0.7}), .output = 4}, 2);
  explore({.options = small({0.5, 0.7}), .output = 5}, 3, Reduction::persistent_sets);
}

TEST(EveryScheduleAtLength, OfALenientStage) {
  auto options = small({0.5, 0.7});
  for (const Lenience lenience : {Lenience::trust, Lenience::adaptive}) {
    options.lenience = {Lenience::strict, lenience};
    explore({.options = options, .output = 4}, 2, Reduction::persistent_sets);
    explore({.options = without_a_model(options), .sequences = 2, .output = 2}, 2, Reduction::persistent_sets);
  }
}

TEST(EveryScheduleAtLength, OfFourStages) {
  explore({.options = small({0.5, 0.7, 0.6}), .output = 2}, 3, Reduction::persistent_sets);
}

TEST(EveryScheduleAtLength, OfTwoSequencesStartedAndAbandonedAtAnyMoment) {
  explore({.options = small({0.6}),
           .sequences = 2,
           .output = 6,
           .starts = Starts::at_any_moment,
           .abandons = Abandons::anything_at_any_moment},
          2, Reduction::persistent_sets);
}

TEST(EveryScheduleAtLength, OfTwoSequencesOnThreeStages) {
  explore({.options = small({0.5, 0.7}), .sequences = 2, .output = 2}, 3, Reduction::persistent_sets);
}

TEST(EveryScheduleAtLength, OfThreeSequences) {
  explore({.options = small({0.6}), .sequences = 3, .output = 4}, 2, Reduction::persistent_sets);
}

TEST(EveryScheduleAtLength, OfAWiderWindow) {
  auto options = small({0.7});
  options.window = 5;
  options.max_ahead = 5;
  explore({.options = options, .sequences = 2, .output = 5}, 2, Reduction::persistent_sets);
}

}  // namespace
}  // namespace pipespec::testing
