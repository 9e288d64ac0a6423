#include "comm/communicator.hpp"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "comm/clock_offset.hpp"
#include "comm/mpi_call.hpp"
#include "core/error.hpp"

namespace pipespec::comm {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(Communicator, BroadcastGivesEveryRankTheRootsValue) {
  const Communicator world = Communicator::world();
  for (int root = 0; root < world.size(); ++root) {
    const std::string text = world.rank() == root ? std::string(100 * root, 'x') + "end" : "other";
    EXPECT_EQ(world.broadcast(text, root), std::string(100 * root, 'x') + "end");
    const std::vector<std::int32_t> tokens(world.rank() == root ? 3 : 7, world.rank());
    EXPECT_EQ(world.broadcast(tokens, root), std::vector<std::int32_t>(3, root));
  }
}

TEST(Communicator, GatherAllIsInRankOrderWhateverTheLengths) {
  const Communicator world = Communicator::world();
  const std::vector<std::string> texts = world.gather_all(std::string(world.rank() * 5, 'a' + world.rank()));
  ASSERT_EQ(std::ssize(texts), world.size());
  for (int r = 0; r < world.size(); ++r) EXPECT_EQ(texts[r], std::string(r * 5, 'a' + r));
}

TEST(Communicator, SplitKeepsTheOrderOfRanks) {
  const Communicator world = Communicator::world();
  const Communicator half = world.split(world.rank() % 2);
  EXPECT_EQ(half.rank(), world.rank() / 2);
  EXPECT_EQ(half.size(), (world.size() + 1 - world.rank() % 2) / 2);
}

TEST(Communicator, AnMpiErrorIsReturnedAndNamesTheCall) {
  const Communicator world = Communicator::world();
  int value = 0;
  EXPECT_THAT([&] { PIPESPEC_MPI(MPI_Send(&value, 1, MPI_INT, world.size() + 5, 0, world.get())); },
              ThrowsMessage<Failure>(HasSubstr("MPI_Send")));
}

TEST(ClockOffset, IsNothingBetweenRanksOfOneHost) {
  const Communicator world = Communicator::world();
  EXPECT_NEAR(clock_offset(world), 0.0, 0.1);  // they read the same clock, at different moments
}

}  // namespace
}  // namespace pipespec::comm
