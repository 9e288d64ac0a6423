#include "device/thread_pool.hpp"

#include <gmock/gmock.h>

#include <map>
#include <mutex>
#include <stdexcept>
#include <vector>

namespace pipespec::device {
namespace {

using ::testing::Each;
using ::testing::ThrowsMessage;

struct Case {
  int threads;
  std::int64_t count;
};

class ThreadPoolLoop : public ::testing::TestWithParam<Case> {};

TEST_P(ThreadPoolLoop, CoversEachIndexOnce) {
  ThreadPool pool(GetParam().threads);
  std::vector<int> visits(static_cast<std::size_t>(GetParam().count));
  pool.parallel_for(GetParam().count, [&](std::int64_t begin, std::int64_t end) {
    for (; begin < end; ++begin) ++std::atomic_ref(visits[static_cast<std::size_t>(begin)]);
  });
  EXPECT_THAT(visits, Each(1));
}

TEST_P(ThreadPoolLoop, ChunksDependOnCountAndThreadsAlone) {
  ThreadPool pool(GetParam().threads);
  const auto chunks = [&] {
    std::mutex mutex;
    std::map<std::int64_t, std::int64_t> found;
    pool.parallel_for(GetParam().count, [&](std::int64_t begin, std::int64_t end) {
      const std::lock_guard lock(mutex);
      found[begin] = end;
    });
    return found;
  };
  const auto first = chunks();
  EXPECT_LE(first.size(), static_cast<std::size_t>(pool.most_chunks()));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(chunks(), first);
}

INSTANTIATE_TEST_SUITE_P(Sizes, ThreadPoolLoop,
                         ::testing::Values(Case{1, 0}, Case{1, 7}, Case{2, 0}, Case{2, 1}, Case{2, 2}, Case{2, 1001},
                                           Case{3, 2}, Case{3, 64}, Case{4, 3}, Case{4, 1023}),
                         [](const auto& which) {
                           return std::to_string(which.param.threads) + "threads" + std::to_string(which.param.count);
                         });

TEST(ThreadPool, ALoopInsideALoopCoversEachPairOnce) {
  ThreadPool pool(2);
  std::vector<int> visits(5 * 7);
  pool.parallel_for(5, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      pool.parallel_for(7, [&](std::int64_t from, std::int64_t to) {
        for (std::int64_t j = from; j < to; ++j) ++std::atomic_ref(visits[static_cast<std::size_t>(i * 7 + j)]);
      });
  });
  EXPECT_THAT(visits, Each(1));
}

TEST(ThreadPool, TheExceptionOfTheLowestChunkReachesTheCaller) {
  ThreadPool pool(3);
  const auto fail = [](std::int64_t begin, std::int64_t) {
    if (begin > 0) throw std::runtime_error("chunk at " + std::to_string(begin));
  };
  EXPECT_THAT([&] { pool.parallel_for(3, fail); }, ThrowsMessage<std::runtime_error>("chunk at 1"));
}

TEST(ThreadPool, WorksOnAfterAnException) {
  ThreadPool pool(2);
  EXPECT_ANY_THROW(pool.parallel_for(2, [](std::int64_t, std::int64_t) { throw 1; }));
  std::atomic<std::int64_t> sum = 0;
  pool.parallel_for(10, [&](std::int64_t begin, std::int64_t end) { sum += end - begin; });
  EXPECT_EQ(sum, 10);
}

TEST(ThreadPool, AThreadThatIsHeldUpLeavesTheRestOfItsPartToTheOthers) {
  ThreadPool pool(2);
  constexpr int count = 64;
  const int all_but_a_chunk = count - count / pool.most_chunks();
  std::atomic<int> done = 0;
  pool.parallel_for(count, [&](std::int64_t begin, std::int64_t end) {
    if (begin == 0) {  // until all the others have run: the test's timeout tells where they never do
      while (done.load() < all_but_a_chunk) std::this_thread::yield();
    }
    done += static_cast<int>(end - begin);
  });
  EXPECT_EQ(done, count);
}

TEST(ThreadPool, WorkersWithoutWorkFallAsleepAndWakeForTheNextLoop) {
  ThreadPool pool(3);
  for (int round = 0; round < 3; ++round) {
    while (pool.sleeping() < 2) std::this_thread::yield();  // the test's timeout tells where they never do
    std::atomic<std::int64_t> sum = 0;
    pool.parallel_for(9, [&](std::int64_t begin, std::int64_t end) { sum += end - begin; });
    EXPECT_EQ(sum, 9);
  }
}

TEST(ThreadPool, ManyShortLoopsInARowLoseNoWork) {
  ThreadPool pool(4);
  std::int64_t values[4] = {};
  for (int loop = 0; loop < 20000; ++loop)
    pool.parallel_for(4, [&](std::int64_t begin, std::int64_t end) {
      for (; begin < end; ++begin) ++values[begin];
    });
  EXPECT_THAT(values, Each(20000));
}

}  // namespace
}  // namespace pipespec::device
