/// The queue of all replicas as a pure object.
#include "pipeline/dispatcher.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <random>
#include <vector>

#include "core/error.hpp"

namespace pipespec::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Numbers = std::vector<std::int32_t>;

/// Samples 100, 101, … of these lengths.
std::vector<Dispatcher::Sample> samples(std::initializer_list<Position> lengths) {
  std::vector<Dispatcher::Sample> all;
  for (const Position length : lengths) all.push_back({100 + static_cast<std::int32_t>(all.size()), length});
  return all;
}

std::vector<Dispatcher::Sample> equal_samples(int count) {
  std::vector<Dispatcher::Sample> all;
  for (int i = 0; i < count; ++i) all.push_back({i, 10});
  return all;
}

/// All that one replica is given now.
Numbers grants(Dispatcher& dispatcher, int replica) {
  Numbers numbers;
  while (const auto number = dispatcher.grant(replica)) numbers.push_back(*number);
  return numbers;
}

TEST(Dispatcher, OneReplicaGetsTheSamplesInTheOrderGivenOneAheadOfWhatItDecodes) {
  Dispatcher dispatcher(samples({5, 9, 7, 3}), 1, 1);
  EXPECT_THAT(grants(dispatcher, 0), ElementsAre(100, 101));
  dispatcher.done(0, 100);
  EXPECT_THAT(grants(dispatcher, 0), ElementsAre(102));
}

TEST(Dispatcher, SeveralReplicasGetTheLongestFirst) {
  Dispatcher dispatcher(samples({5, 9, 7, 9, 3, 1, 1, 1}), 2, 1);
  EXPECT_EQ(dispatcher.grant(0), 101);
  EXPECT_EQ(dispatcher.grant(1), 103);  // as long: the order given
  EXPECT_EQ(dispatcher.grant(0), 102);
  EXPECT_EQ(dispatcher.grant(1), 100);
}

TEST(Dispatcher, ASmallRestIsSharedOutEvenly) {
  Dispatcher dispatcher(equal_samples(6), 2, 16);
  EXPECT_EQ(grants(dispatcher, 0).size(), 3u);
  EXPECT_EQ(grants(dispatcher, 1).size(), 3u);
}

TEST(Dispatcher, NobodyIsGivenOneAheadThatAnotherCouldBeginAtOnce) {
  Dispatcher dispatcher(equal_samples(3), 2, 1);
  EXPECT_THAT(grants(dispatcher, 0), ElementsAre(0, 1));  // two are left for the other one at that moment
  EXPECT_THAT(grants(dispatcher, 1), ElementsAre(2));

  Dispatcher in_turns(equal_samples(3), 2, 1);
  EXPECT_EQ(in_turns.grant(0), 0);
  EXPECT_EQ(in_turns.grant(1), 1);
  EXPECT_EQ(in_turns.grant(0), std::nullopt);
  EXPECT_EQ(in_turns.grant(1), std::nullopt);
  in_turns.done(1, 1);
  EXPECT_EQ(in_turns.grant(1), 2);
}

TEST(Dispatcher, WhatAReplicaThatLeavesHeldGoesBackToItsPlaceInTheQueue) {
  Dispatcher dispatcher(samples({1, 2, 3, 4, 5, 6, 7, 8}), 2, 1);
  EXPECT_THAT(grants(dispatcher, 0), ElementsAre(107, 106));
  EXPECT_THAT(grants(dispatcher, 1), ElementsAre(105, 104));
  dispatcher.done(0, 107);
  dispatcher.leave(0);
  EXPECT_TRUE(dispatcher.has_left(0));
  EXPECT_THAT(grants(dispatcher, 0), IsEmpty());
  dispatcher.done(1, 105);
  EXPECT_THAT(grants(dispatcher, 1), ElementsAre(106));
  EXPECT_FALSE(dispatcher.is_done());
}

TEST(Dispatcher, ASampleThatWasNotGivenCannotBeDone) {
  Dispatcher dispatcher(equal_samples(4), 2, 1);
  ASSERT_EQ(dispatcher.grant(0), 0);
  EXPECT_THROW(dispatcher.done(1, 0), ContractError);
  dispatcher.done(0, 0);
  EXPECT_THROW(dispatcher.done(0, 0), ContractError);
}

TEST(Dispatcher, EverySampleIsDoneOnceAndNoPlaceStaysEmptyWhileOneWaits) {
  std::mt19937 random(3);
  const auto up_to = [&random](std::size_t most) { return static_cast<int>(random() % (most + 1)); };
  for (int run = 0; run < 1000; ++run) {
    const int count = up_to(40), replicas = 1 + up_to(4), in_flight = 1 + up_to(4);
    std::vector<Dispatcher::Sample> all;
    for (int i = 0; i < count; ++i) all.push_back({i, up_to(9)});
    Dispatcher dispatcher(all, replicas, in_flight);
    std::vector<Numbers> held(replicas);
    int present = replicas;
    Numbers done;
    while (!dispatcher.is_done()) {
      std::ptrdiff_t waiting = count - std::ssize(done);
      for (int replica = 0; replica < replicas; ++replica) {
        const Numbers given = grants(dispatcher, replica);
        held[replica].insert(held[replica].end(), given.begin(), given.end());
        waiting -= std::ssize(held[replica]);
      }
      for (int replica = 0; replica < replicas; ++replica) {
        ASSERT_LE(std::ssize(held[replica]), in_flight + 1);
        ASSERT_TRUE(waiting == 0 || dispatcher.has_left(replica) || std::ssize(held[replica]) >= in_flight);
      }
      const int replica = up_to(replicas - 1);
      Numbers& own = held[replica];
      if (present > 1 && up_to(30) == 0 && !dispatcher.has_left(replica)) {
        dispatcher.leave(replica);
        own.clear();
        --present;
      } else if (!own.empty()) {
        const auto which = own.begin() + up_to(own.size() - 1);
        dispatcher.done(replica, *which);
        done.push_back(*which);
        own.erase(which);
      }
    }
    std::ranges::sort(done);
    ASSERT_EQ(std::ssize(done), count);
    ASSERT_EQ(std::ranges::adjacent_find(done), done.end());
  }
}

}  // namespace
}  // namespace pipespec::pipeline
