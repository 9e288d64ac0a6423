#include "comm/stop_board.hpp"

#include <gtest/gtest.h>

#include "comm/backoff.hpp"
#include "comm/communicator.hpp"

namespace pipespec::comm {
namespace {

TEST(StopBoard, WithoutARequestNobodyStops) {
  const Communicator world = Communicator::world();
  StopBoard board(world, world.size() - 1);
  EXPECT_FALSE(board.is_asked());
  EXPECT_FALSE(board.close());
}

TEST(StopBoard, ARequestOfAnyRankReachesTheDecider) {
  const Communicator world = Communicator::world();
  const int decider = world.size() - 1;
  for (int asking = 0; asking < world.size(); ++asking) {
    StopBoard board(world, decider);
    if (world.rank() == asking) board.ask();
    if (world.rank() == decider) {
      for (Backoff backoff; !board.is_asked(); backoff.pause()) continue;
    }
    EXPECT_TRUE(board.close()) << "asked by " << asking;
  }
}

TEST(StopBoard, AskingTwiceLeavesNoMessageBehind) {
  const Communicator world = Communicator::world();
  for (int round = 0; round < 2; ++round) {  // a word left over from the first board would be taken by the second
    StopBoard board(world, 0);
    if (round == 0) {
      board.ask();
      board.ask();
    }
    EXPECT_EQ(board.close(), round == 0);
  }
}

}  // namespace
}  // namespace pipespec::comm
