#include "comm/topology.hpp"

#include <utility>

#include "core/error.hpp"

namespace pipespec::comm {

Topology::Topology(std::vector<int> ranks_of_stage) : shards_(std::move(ranks_of_stage)) {
  for (int stage = 0; stage < static_cast<int>(shards_.size()); ++stage) {
    expect(shards_[stage] >= 1, "a stage has a rank");
    leaders_.push_back(ranks());
    for (int shard = 0; shard < shards_[stage]; ++shard) places_.push_back({{stage}, shard});
  }
}

}  // namespace pipespec::comm
