#include "support/thread_group.hpp"

#include <algorithm>
#include <barrier>
#include <cstddef>
#include <span>
#include <thread>
#include <vector>

#include "core/types.hpp"

namespace pipespec::testing {
namespace {

/// Where the ranks meet: each shows the others its memory, and nobody goes on before all have read it.
struct Meeting {
  explicit Meeting(int size) : barrier(size), memory(static_cast<std::size_t>(size)) {}
  std::barrier<> barrier;
  std::vector<std::span<const std::byte>> memory;  // [rank]
};

class ThreadGroup final : public comm::Group {
 public:
  ThreadGroup(Meeting& meeting, int rank) : meeting_(meeting), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(meeting_.memory.size()); }

  void sum_in_rank_order(std::span<float> values) override {
    std::vector<float> sums(values.size());
    meet<float>(values, [&](int other, std::span<const float> theirs) {
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = other == 0 ? theirs[i] : sums[i] + theirs[i];
    });
    std::copy(sums.begin(), sums.end(), values.begin());
  }

  void best_of_all(std::span<Best> best) override {
    std::vector<Best> winners(best.begin(), best.end());
    meet<Best>(best, [&](int, std::span<const Best> theirs) {
      for (std::size_t i = 0; i < winners.size(); ++i)
        if (theirs[i].value > winners[i].value ||
            (theirs[i].value == winners[i].value && theirs[i].token < winners[i].token))
          winners[i] = theirs[i];
    });
    std::copy(winners.begin(), winners.end(), best.begin());
  }

  void gather(std::span<const float> part, std::span<float> whole) override {
    std::size_t filled = 0;
    meet<float>(part, [&](int, std::span<const float> theirs) {
      std::copy(theirs.begin(), theirs.end(), whole.subspan(filled).begin());
      filled += theirs.size();
    });
  }

 private:
  /// Calls read(rank, values) with every rank's values in rank order.
  template <class T, class F>
  void meet(std::span<const T> mine, F&& read) {
    meeting_.memory[static_cast<std::size_t>(rank_)] = std::as_bytes(mine);
    meeting_.barrier.arrive_and_wait();
    for (int other = 0; other < size(); ++other) {
      const auto bytes = meeting_.memory[static_cast<std::size_t>(other)];
      read(other, std::span(reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)));
    }
    meeting_.barrier.arrive_and_wait();
  }

  Meeting& meeting_;
  int rank_;
};

}  // namespace

void run_ranks(int size, const std::function<void(comm::Group&)>& body) {
  Meeting meeting(size);
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      ThreadGroup group(meeting, rank);
      body(group);
    });
}

}  // namespace pipespec::testing
