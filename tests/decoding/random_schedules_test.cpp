/// The properties of protocol.md over random schedules. RandomSchedule and VirtualPipeline check all of them at every
/// event; see there.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <string>

#include "random_schedule.hpp"

namespace pipespec::testing {
namespace {

ScheduleOutcome run(std::uint64_t seed) {
  try {
    return RandomSchedule(seed).run();
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what() << "\nreproduce with PIPESPEC_SCHEDULE=" << seed
                  << " schedules_test --gtest_filter=RandomSchedules.OneSeedCanBeRunAgain";
    return {};
  }
}

TEST(RandomSchedules, KeepEveryPropertyOfTheProtocol) {
  constexpr std::uint64_t schedules = 100'000;
  ScheduleOutcome total;
  for (std::uint64_t seed = 0; seed < schedules && !HasFailure(); ++seed) {
    const ScheduleOutcome outcome = run(seed);
    total.events += outcome.events;
    total.abandoned += outcome.abandoned;
  }
  RecordProperty("events", std::to_string(total.events));
  EXPECT_GT(total.abandoned, 1000) << "the schedules no longer cover abandoned sequences";
}

TEST(RandomSchedules, OneSeedCanBeRunAgain) {
  const char* seed = std::getenv("PIPESPEC_SCHEDULE");
  const ScheduleOutcome outcome = run(seed == nullptr ? 0 : std::strtoull(seed, nullptr, 10));
  EXPECT_GT(outcome.events, 0);
}

}  // namespace
}  // namespace pipespec::testing
