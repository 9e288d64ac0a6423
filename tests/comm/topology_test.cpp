#include "comm/topology.hpp"

#include <gtest/gtest.h>

namespace pipespec::comm {
namespace {

TEST(Topology, StagesTakeConsecutiveRanksInOrder) {
  const Topology topology({1, 2, 4});
  EXPECT_EQ(topology.ranks(), 7);
  EXPECT_EQ(topology.stages(), 3);
  EXPECT_EQ(topology.place(0), (Place{{0}, 0}));
  EXPECT_EQ(topology.place(2), (Place{{1}, 1}));
  EXPECT_EQ(topology.place(6), (Place{{2}, 3}));
}

TEST(Topology, TheFirstRankOfAStageLeadsIt) {
  const Topology topology({1, 2, 4});
  EXPECT_EQ(topology.leader({1}), 1);
  EXPECT_EQ(topology.target_leader(), 3);
  EXPECT_TRUE(topology.place(3).is_leader());
  EXPECT_FALSE(topology.place(4).is_leader());
}

TEST(Topology, ReplicasFollowOneAnother) {
  const Topology topology({1, 2}, 3);
  EXPECT_EQ(topology.ranks(), 9);
  EXPECT_EQ(topology.ranks_of_replica(), 3);
  EXPECT_EQ(topology.place(2), (Place{{1}, 1, 0}));
  EXPECT_EQ(topology.place(3), (Place{{0}, 0, 1}));
  EXPECT_EQ(topology.place(8), (Place{{1}, 1, 2}));
  EXPECT_EQ(topology.leader({0}, 2), 6);
  EXPECT_EQ(topology.target_leader(), 1);
  EXPECT_EQ(topology.target_leader(2), 7);
}

}  // namespace
}  // namespace pipespec::comm
