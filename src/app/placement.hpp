/// Where the ranks of a job are, and how many threads each of them gets.
#pragma once

#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/topology.hpp"
#include "config/run_config.hpp"

namespace pipespec::app {

/// What a rank knows of its place on its host.
struct RankSite {
  std::string host;
  int cpus = 1;       ///< this rank may run on
  int host_cpus = 1;  ///< the host has
};

/// Processors this process may run on.
int usable_cpus();

/// Collective: the sites of all ranks, in rank order.
std::vector<RankSite> gather_sites(const comm::Communicator& world);

/// Threads of each rank [ranks] while the stages `chain` (indices into the configuration) work; 0 for ranks without a
/// model or outside the chain. A stage's own `threads` counts; where it says 0, a rank that is bound to some of its
/// host's cores takes them all, and the ranks that are not bound share their host: a drafter gets one core, the
/// target's ranks divide what is left, because their passes are what the pipeline waits for.
std::vector<int> threads_of_ranks(const config::RunConfig& config, const comm::Topology& topology,
                                  const std::vector<RankSite>& sites, const std::vector<int>& chain);

}  // namespace pipespec::app
