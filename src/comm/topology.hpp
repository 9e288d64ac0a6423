/// Which rank works for which stage.
#pragma once

#include <vector>

#include "core/types.hpp"

namespace pipespec::comm {

/// A rank's place: its stage, and its number among the stage's tensor-parallel ranks (0 leads).
struct Place {
  StageIndex stage;
  int shard = 0;
  bool is_leader() const { return shard == 0; }
  friend bool operator==(const Place&, const Place&) = default;
};

/// Stages take consecutive ranks, in order; the target's come last. Immutable.
class Topology {
 public:
  /// ranks_of_stage [stages], each ≥ 1.
  explicit Topology(std::vector<int> ranks_of_stage);

  int ranks() const { return static_cast<int>(places_.size()); }
  int stages() const { return static_cast<int>(leaders_.size()); }
  Place place(int rank) const { return places_.at(rank); }
  int leader(StageIndex stage) const { return leaders_.at(stage.value); }
  int shards(StageIndex stage) const { return shards_.at(stage.value); }
  int target_leader() const { return leaders_.back(); }

 private:
  std::vector<int> shards_;    // [stages]
  std::vector<int> leaders_;   // [stages]
  std::vector<Place> places_;  // [ranks]
};

}  // namespace pipespec::comm
