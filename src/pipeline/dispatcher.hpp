/// The one work queue of all replicas of a pipeline: which of them decodes which sample.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "core/types.hpp"

namespace pipespec::pipeline {

/// Hands out every sample once, as a pure object: no messages, no clock. A sample is waiting, held by a replica, or
/// done; those of a replica that leaves wait again. One replica gets them in the order given, several the longest
/// first, so that no long one is left for the end (R. Graham, "Bounds on multiprocessing timing anomalies", 1969).
///
/// A replica is given samples before it asks, so that none of its passes waits for an answer: as many as it decodes at
/// once and one ahead. Towards the end this is less: nobody is given more than an even share of what is not done, nor
/// one ahead that another replica could begin at once.
class Dispatcher {
 public:
  struct Sample {
    std::int32_t number = 0;  ///< the caller's name for it, unique
    Position length = 0;      ///< the most positions it may take
  };

  /// `in_flight`: samples that a replica decodes at once, ≥ 1.
  Dispatcher(std::vector<Sample> samples, int replicas, int in_flight);

  /// The number of the next sample for `replica` [0, replicas); none if it should have no more for now. Ask again when
  /// a sample is done or a replica has left.
  std::optional<std::int32_t> grant(int replica);

  /// `replica` has decoded a sample that it held.
  void done(int replica, std::int32_t number);

  /// `replica` decodes no more: what it held goes back to the queue, and it is given nothing again.
  void leave(int replica);

  bool has_left(int replica) const { return replicas_.at(replica).has_left; }
  int replicas() const { return static_cast<int>(replicas_.size()); }

  /// Whether every sample is done.
  bool is_done() const { return waiting_.empty() && held_ == 0; }

 private:
  struct Replica {
    std::set<std::size_t> held;
    bool has_left = false;
  };

  std::size_t share() const;

  std::vector<Sample> samples_;    // in the order in which they are handed out
  std::set<std::size_t> waiting_;  // indices into samples_
  std::vector<Replica> replicas_;
  std::size_t held_ = 0;  // by all replicas
  std::size_t in_flight_;
};

}  // namespace pipespec::pipeline
