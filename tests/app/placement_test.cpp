#include "app/placement.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace pipespec::app {
namespace {

using Threads = std::vector<int>;

/// ngram, draft, target; the target on `shards` ranks.
config::RunConfig three_stages(int shards = 1) {
  config::RunConfig config;
  config.stages.resize(3);
  config.stages[0].drafter = config::DrafterKind::prompt_lookup;
  config.stages[2].tensor_parallel = shards;
  return config;
}

comm::Topology topology(int shards = 1) {
  return comm::Topology({1, 1, shards});
}

std::vector<RankSite> unbound(int ranks, int cpus) {
  return std::vector<RankSite>(ranks, {"a", "all", cpus});
}

TEST(Threads, TheTargetAloneHasTheWholeHost) {
  EXPECT_EQ(threads_of_ranks(three_stages(), topology(), unbound(3, 8), {2}), (Threads{0, 0, 8}));
}

TEST(Threads, ADrafterWithAModelHasOneAndTheTargetAsManyAsWithoutIt) {
  EXPECT_EQ(threads_of_ranks(three_stages(), topology(), unbound(3, 8), {0, 2}), (Threads{0, 0, 8}));
  EXPECT_EQ(threads_of_ranks(three_stages(), topology(), unbound(3, 8), {0, 1, 2}), (Threads{0, 1, 8}));
}

TEST(Threads, EveryRankWithAModelHasOneEvenOnASmallHost) {
  EXPECT_EQ(threads_of_ranks(three_stages(), topology(), unbound(3, 1), {1, 2}), (Threads{0, 1, 1}));
}

TEST(Threads, TheTargetsRanksShareTheirHost) {
  EXPECT_EQ(threads_of_ranks(three_stages(2), topology(2), unbound(4, 8), {1, 2}), (Threads{0, 1, 4, 4}));
}

TEST(Threads, HostsAreCountedApart) {
  std::vector<RankSite> sites = unbound(3, 8);
  sites[2].host = "b";
  EXPECT_EQ(threads_of_ranks(three_stages(), topology(), sites, {0, 1, 2}), (Threads{0, 8, 8}));
}

TEST(Threads, ARankWithProcessorsOfItsOwnTakesThemAll) {
  const std::vector<RankSite> sites = {{"a", "0-3", 4}, {"a", "4-7", 4}, {"a", "8-15", 8}};
  EXPECT_EQ(threads_of_ranks(three_stages(), topology(), sites, {0, 1, 2}), (Threads{0, 4, 8}));
}

TEST(Threads, APartOfAHostIsSharedLikeAWholeOne) {
  // What a batch system gives to a job that binds nothing: all ranks may run on the same 4 of 16 processors.
  const std::vector<RankSite> sites(4, {"a", "4-7", 4});
  EXPECT_EQ(threads_of_ranks(three_stages(2), topology(2), sites, {0, 1, 2}), (Threads{0, 1, 2, 2}));
}

TEST(Threads, WhatTheConfigurationSaysCounts) {
  config::RunConfig config = three_stages();
  config.stages[1].threads = 3;
  EXPECT_EQ(threads_of_ranks(config, topology(), unbound(3, 8), {0, 1, 2}), (Threads{0, 3, 8}));
  config.stages[2].threads = 2;
  EXPECT_EQ(threads_of_ranks(config, topology(), unbound(3, 8), {0, 1, 2}), (Threads{0, 3, 2}));
}

TEST(TakesFromTarget, TwiceItsPartOfTheProcessorsWhereThereAreTooFew) {
  const auto part = [](const std::vector<RankSite>& sites, const Threads& threads, int rank) {
    return takes_from_target(topology(), sites, threads, rank);
  };
  EXPECT_EQ(part(unbound(3, 4), {0, 1, 4}, 1), 0.5);
  EXPECT_EQ(part(unbound(3, 8), {0, 1, 8}, 1), 0.25);
  EXPECT_EQ(part(unbound(3, 8), {0, 1, 7}, 1), 0) << "there is one for each thread";
  EXPECT_EQ(part(unbound(3, 1), {0, 4, 1}, 1), 1) << "and no more than all";
  EXPECT_EQ(part(unbound(3, 4), {0, 0, 4}, 1), 0.5) << "a synthetic stage is a thread, too";
  EXPECT_EQ(part(unbound(3, 2), {0, 2, 0}, 1), 0) << "the target does not compute";
  const std::vector<RankSite> apart = {{"a", "0-1", 2}, {"a", "0-1", 2}, {"b", "0-1", 2}};
  EXPECT_EQ(part(apart, {0, 4, 2}, 1), 0);
}

TEST(Threads, ReplicasOnOneHostShareIt) {
  const comm::Topology two({1, 1, 1}, 2);
  EXPECT_EQ(threads_of_ranks(three_stages(), two, unbound(6, 8), {0, 1, 2}), (Threads{0, 1, 4, 0, 1, 4}));
}

}  // namespace
}  // namespace pipespec::app
