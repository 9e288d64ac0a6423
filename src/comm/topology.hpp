/// Which rank works for which stage.
#pragma once

#include <vector>

#include "core/types.hpp"

namespace pipespec::comm {

/// A rank's place: its stage, its number among the stage's tensor-parallel ranks (0 leads), and the pipeline that the
/// stage belongs to.
struct Place {
  StageIndex stage;
  int shard = 0;
  int replica = 0;
  bool is_leader() const { return shard == 0; }
  friend bool operator==(const Place&, const Place&) = default;
};

/// Each replica of the pipeline takes consecutive ranks. In it, so do the stages, in order; the target's come last.
/// Immutable.
class Topology {
 public:
  /// ranks_of_stage [stages], each ≥ 1; replicas ≥ 1.
  explicit Topology(std::vector<int> ranks_of_stage, int replicas = 1);

  int ranks() const { return static_cast<int>(places_.size()); }
  int stages() const { return static_cast<int>(shards_.size()); }
  int replicas() const { return replicas_; }
  int ranks_of_replica() const { return ranks() / replicas_; }
  Place place(int rank) const { return places_.at(rank); }
  int leader(StageIndex stage, int replica = 0) const {
    return leaders_.at(stage.value) + replica * ranks_of_replica();
  }
  int shards(StageIndex stage) const { return shards_.at(stage.value); }
  int target_leader(int replica = 0) const { return leader({stages() - 1}, replica); }

 private:
  int replicas_;
  std::vector<int> shards_;    // [stages]
  std::vector<int> leaders_;   // [stages], of the first replica
  std::vector<Place> places_;  // [ranks]
};

}  // namespace pipespec::comm
