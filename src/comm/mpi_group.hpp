/// The tensor-parallel group on the host: MPI moves the bytes, our code adds them, in rank order.
#pragma once

#include <vector>

#include "comm/communicator.hpp"
#include "comm/group.hpp"

namespace pipespec::comm {

/// Group over a communicator of one stage's ranks. MPI's own reductions choose their order by size and algorithm, so
/// the parts are gathered and added here. Keeps a reference to the communicator. Not thread-safe: the main thread's.
class MpiGroup final : public Group {
 public:
  explicit MpiGroup(const Communicator& comm) : comm_(comm) {}

  int rank() const override { return comm_.rank(); }
  int size() const override { return comm_.size(); }
  void sum_in_rank_order(std::span<float> values) override;
  void best_of_all(std::span<Best> best) override;
  void gather(std::span<const float> part, std::span<float> whole) override;

 private:
  const Communicator& comm_;
  std::vector<float> parts_;  // [size, values]
  std::vector<Best> bests_;   // [size, rows]
};

}  // namespace pipespec::comm
