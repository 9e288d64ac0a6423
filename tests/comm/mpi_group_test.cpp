#include "comm/mpi_group.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

namespace pipespec::comm {
namespace {

std::vector<float> values_of(int rank, std::size_t count) {
  std::mt19937 random(static_cast<unsigned>(rank));
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(count);
  for (float& v : values) v = uniform(random) * (rank % 2 == 0 ? 1e4f : 1e-3f);  // so that the order of adding shows
  return values;
}

TEST(MpiGroup, SumsInRankOrderToTheLastBit) {
  const Communicator world = Communicator::world();
  MpiGroup group(world);
  for (const std::size_t count : {1, 7, 576, 100000}) {  // MPI's own reductions change their algorithm with the size
    std::vector<float> sum = values_of(world.rank(), count);
    group.sum_in_rank_order(sum);
    std::vector<float> expected = values_of(0, count);
    for (int r = 1; r < world.size(); ++r) {
      const std::vector<float> part = values_of(r, count);
      for (std::size_t i = 0; i < count; ++i) expected[i] += part[i];
    }
    EXPECT_EQ(std::memcmp(sum.data(), expected.data(), count * sizeof(float)), 0) << count;
  }
}

TEST(MpiGroup, TheBestOfAllIsTheLargestAndTiesGoToTheLowerToken) {
  const Communicator world = Communicator::world();
  MpiGroup group(world);
  const int rank = world.rank(), last = world.size() - 1;
  std::vector<Best> best = {{static_cast<float>(rank), rank}, {1.0f, 100 - rank}, {-static_cast<float>(rank), rank}};
  group.best_of_all(best);
  EXPECT_EQ(best[0].token, last);
  EXPECT_EQ(best[1].token, 100 - last);
  EXPECT_EQ(best[2].token, 0);
}

TEST(MpiGroup, GatherPutsUnevenPartsInRankOrder) {
  const Communicator world = Communicator::world();
  MpiGroup group(world);
  const std::vector<float> part(world.rank() + 1, static_cast<float>(world.rank()));
  std::vector<float> expected, whole;
  for (int r = 0; r < world.size(); ++r) expected.insert(expected.end(), r + 1, static_cast<float>(r));
  whole.resize(expected.size());
  group.gather(part, whole);
  EXPECT_EQ(whole, expected);
}

}  // namespace
}  // namespace pipespec::comm
