/// The properties of the protocol over random schedules. RandomSchedule and VirtualPipeline check them at every event
/// and throw a ContractError that begins with the property's name; each has a test here.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "random_schedule.hpp"

namespace pipespec::testing {
namespace {

using ::testing::IsEmpty;

std::optional<std::string> failure_of(std::uint64_t seed, ScheduleOutcome& total) {
  try {
    const ScheduleOutcome outcome = RandomSchedule(seed, ~seed).run();
    total.events += outcome.events;
    total.abandoned += outcome.abandoned;
    return std::nullopt;
  } catch (const std::exception& error) {
    return std::string(error.what()) + "\nreproduce with PIPESPEC_SCHEDULE=" + std::to_string(seed) +
           " schedules_test --gtest_filter=OneRandomSchedule.CanBeRunAgain";
  }
}

/// How many schedules: PIPESPEC_SCHEDULES, if that is set.
std::uint64_t schedules() {
  const char* count = std::getenv("PIPESPEC_SCHEDULES");
  return count == nullptr ? 120'000 : std::strtoull(count, nullptr, 10);
}

/// Runs all schedules once, for all tests.
class RandomSchedules : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    for (std::uint64_t seed = 0; seed < schedules() && failures_.size() < 10; ++seed) {
      if (auto failure = failure_of(seed, total_)) failures_.push_back(std::move(*failure));
    }
    std::cout << schedules() << " schedules, " << total_.events << " events, " << total_.abandoned
              << " sequences abandoned\n";
  }

  /// The first failure whose message has `property`.
  static std::string failure(const std::string& property) {
    const auto found =
        std::ranges::find_if(failures_, [&](const auto& text) { return text.find(property) != std::string::npos; });
    return found == failures_.end() ? "" : *found;
  }

  static inline ScheduleOutcome total_;
  static inline std::vector<std::string> failures_;
};

TEST_F(RandomSchedules, AreLossless) {
  EXPECT_EQ(failure("lossless"), "");
}

TEST_F(RandomSchedules, MakeProgressWithEveryStepOfTheTarget) {
  EXPECT_EQ(failure("progress"), "");
}

TEST_F(RandomSchedules, KeepDraftsPassesAndCachesBounded) {
  EXPECT_EQ(failure("bounded"), "");
}

TEST_F(RandomSchedules, KeepTheCachesTrueToTheViews) {
  EXPECT_EQ(failure("KV truth"), "");
}

TEST_F(RandomSchedules, AreQuiescentAfterTheEnd) {
  EXPECT_EQ(failure("quiescence"), "");
}

TEST_F(RandomSchedules, LeaveNoDifferenceOnAQuietLink) {
  EXPECT_EQ(failure("agreement"), "");
}

TEST_F(RandomSchedules, NeverStopBeforeTheEnd) {
  EXPECT_EQ(failure("no deadlock"), "");
}

TEST_F(RandomSchedules, BreakNoOtherContract) {
  EXPECT_THAT(failures_, IsEmpty());
  EXPECT_GE(total_.abandoned, schedules() / 120) << "the schedules no longer cover abandoned sequences";
}

TEST(OneRandomSchedule, CanBeRunAgain) {
  const char* seed = std::getenv("PIPESPEC_SCHEDULE");
  ScheduleOutcome total;
  EXPECT_EQ(failure_of(seed == nullptr ? 0 : std::strtoull(seed, nullptr, 10), total), std::nullopt);
}

TEST(TheOutput, IsDeterminedByTheTargetAndThePromptAlone) {
  int compared = 0;
  for (std::uint64_t text = 0; text < 1000; ++text) {
    const auto first = RandomSchedule(text, 0).run().outputs;
    for (std::uint64_t schedule = 1; schedule < 8; ++schedule) {
      const auto other = RandomSchedule(text, 1000 * text + schedule).run().outputs;
      ASSERT_EQ(first.size(), other.size());
      for (std::size_t i = 0; i < first.size(); ++i) {
        if (first[i].empty() || other[i].empty()) continue;  // abandoned
        ASSERT_EQ(first[i], other[i]) << "text " << text << ", schedule " << schedule << ", sequence " << i;
        ++compared;
      }
    }
  }
  EXPECT_GT(compared, 5'000);
}

}  // namespace
}  // namespace pipespec::testing
