/// A job: one configuration on the ranks of one launch.
#pragma once

#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/topology.hpp"
#include "config/run_config.hpp"

namespace pipespec::app {

/// The configuration every rank has read and agreed on, and this rank's place in it. Plain data.
struct Job {
  const comm::Communicator& world;
  config::RunConfig config;
  comm::Topology topology;
  comm::Place place;  ///< of this rank

  const config::StageConfig& stage() const { return config.stages[place.stage.value]; }
  bool is_target_leader() const { return world.rank() == topology.target_leader(place.replica); }
  /// The first replica's target leader: it holds the output directory and the queue of samples, and speaks for the job.
  bool is_head() const { return world.rank() == topology.target_leader(); }
};

/// "draft", or "target.1" for a rank that shares its stage; the same in every replica.
std::string rank_name(const config::RunConfig& config, const comm::Topology& topology, int rank);

/// Ranks of every stage of every replica, in order.
comm::Topology topology_of(const config::RunConfig& config);

/// Collective: reads the configuration on every rank. AgreedError if it is wrong, if it is not the same everywhere, or
/// if the job was launched with another number of ranks than its replicas take.
Job open_job(const comm::Communicator& world, const std::string& file, const std::vector<std::string>& overrides);

}  // namespace pipespec::app
