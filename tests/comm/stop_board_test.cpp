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
  board.close();
  EXPECT_FALSE(board.is_asked());
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
    board.close();
  }
}

TEST(StopBoard, ARankThatWaitsForTheOthersCanAsk) {
  const Communicator world = Communicator::world();
  const int decider = world.size() - 1;
  StopBoard board(world, decider);
  if (world.rank() == decider) {
    if (world.size() == 1) board.ask();
    for (Backoff backoff; !board.is_asked(); backoff.pause()) continue;
    world.barrier();
  } else {
    world.barrier([&] { board.ask(); });  // the decider comes only when somebody has asked
  }
  board.close();
}

TEST(StopBoard, AskingTwiceLeavesNoMessageBehind) {
  const Communicator world = Communicator::world();
  for (int round = 0; round < 2; ++round) {  // a word left over from the first board would be taken by the second
    StopBoard board(world, 0);
    if (round == 0) {
      board.ask();
      board.ask();
    }
    board.close();
    if (world.rank() == 0) {
      EXPECT_EQ(board.is_asked(), round == 0);
    }
  }
}

}  // namespace
}  // namespace pipespec::comm
