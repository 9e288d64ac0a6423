#include "comm/doorbells.hpp"

#include <gtest/gtest.h>

#include "comm/backoff.hpp"

namespace pipespec::comm {
namespace {

using namespace std::chrono_literals;

int next_of(const Communicator& world) {
  return (world.rank() + 1) % world.size();
}
int previous_of(const Communicator& world) {
  return (world.rank() + world.size() - 1) % world.size();
}

/// A barrier orders what was counted before it and what is looked at behind it.
class DoorbellsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!bells_.reaches(world_.rank())) GTEST_SKIP() << "MPI gives no shared memory here";
  }

  Communicator world_ = Communicator::world();
  Doorbells bells_{world_};
};

TEST_F(DoorbellsTest, ReachAllRanksOfAHost) {
  for (int rank = 0; rank < world_.size(); ++rank) EXPECT_TRUE(bells_.reaches(rank));
}

TEST_F(DoorbellsTest, WakeWhoeverSleeps) {
  if (world_.rank() != 0) bells_.wait(1h);
  if (world_.rank() + 1 < world_.size()) bells_.ring(world_.rank() + 1, Tag::protocol);
  world_.barrier();
}

TEST_F(DoorbellsTest, ARingIsHeardBySomebodyWhoSleepsLater) {
  bells_.ring(next_of(world_), Tag::protocol);
  bells_.ring(next_of(world_), Tag::protocol);
  world_.barrier();
  bells_.wait(1h);
  world_.barrier();
}

TEST_F(DoorbellsTest, ASleepEndsWithoutARing) {
  bells_.wait(1ms);
  for (int rank = 0; rank < world_.size(); ++rank) EXPECT_FALSE(bells_.has_news(rank, Tag::protocol));
  world_.barrier();
}

TEST_F(DoorbellsTest, MessagesAreCountedByRankAndTag) {
  constexpr int messages = 3;
  for (int i = 0; i < messages; ++i) bells_.ring(next_of(world_), Tag::stage_command);
  world_.barrier();
  for (int rank = 0; rank < world_.size(); ++rank) {
    EXPECT_EQ(bells_.has_news(rank, Tag::stage_command), rank == previous_of(world_));
    EXPECT_FALSE(bells_.has_news(rank, Tag::protocol));
    EXPECT_FALSE(bells_.has_news(rank, Tag::sample_report)) << "the last tag";
  }
  for (int i = 0; i < messages; ++i) {
    EXPECT_TRUE(bells_.has_news(previous_of(world_), Tag::stage_command));
    bells_.take(previous_of(world_), Tag::stage_command);
  }
  EXPECT_FALSE(bells_.has_news(previous_of(world_), Tag::stage_command));
  world_.barrier();
}

TEST_F(DoorbellsTest, ABackoffThatHasWaitedLongSleepsUntilItIsWoken) {
  Backoff backoff(&bells_);
  if (world_.rank() != 0) {
    while (!bells_.has_news(world_.rank() - 1, Tag::protocol)) backoff.pause();
  }
  if (world_.rank() + 1 < world_.size()) bells_.ring(world_.rank() + 1, Tag::protocol);
  world_.barrier();
}

}  // namespace
}  // namespace pipespec::comm
