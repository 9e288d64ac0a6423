#include "comm/topology.hpp"

#include <utility>

#include "core/error.hpp"

namespace pipespec::comm {

Topology::Topology(std::vector<int> ranks_of_stage, int replicas)
    : replicas_(replicas), shards_(std::move(ranks_of_stage)) {
  expect(replicas >= 1, "a job has a pipeline");
  for (int replica = 0; replica < replicas; ++replica) {
    for (int stage = 0; stage < stages(); ++stage) {
      expect(shards_[stage] >= 1, "a stage has a rank");
      if (replica == 0) leaders_.push_back(ranks());
      for (int shard = 0; shard < shards_[stage]; ++shard) places_.push_back({{stage}, shard, replica});
    }
  }
}

}  // namespace pipespec::comm
