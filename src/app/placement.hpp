/// Where the ranks of a job are, and how many threads each of them gets.
#pragma once

#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/topology.hpp"
#include "config/run_config.hpp"

namespace pipespec::app {

/// The processors a rank may run on.
struct RankSite {
  std::string host;
  std::string cpus;  ///< which ones of the host, as Linux lists them ("0-3,8")
  int count = 1;     ///< how many

  /// The same processors of the same host: the two ranks share them.
  friend bool operator==(const RankSite&, const RankSite&) = default;
};

/// Processors this process may run on.
int usable_cpus();

/// Collective: the sites of all ranks, in rank order.
std::vector<RankSite> gather_sites(const comm::Communicator& world);

/// Threads of each rank [ranks] while the stages `chain` (indices into the configuration) work; 0 for ranks without a
/// model or outside the chain. A stage's own `threads` counts; where it says 0, a rank whose set of processors is no
/// other rank's takes them all. Of ranks with the same set a drafter gets one thread, and the target's ranks divide
/// them all, because their passes are what the pipeline waits for: while a drafter has a processor, the target's
/// threads do each other's work (device::ThreadPool). On two of them that is 1.3 to 1.4 times as fast as one thread
/// each (three stages of configs/quickstart.yaml).
std::vector<int> threads_of_ranks(const config::RunConfig& config, const comm::Topology& topology,
                                  const std::vector<RankSite>& sites, const std::vector<int>& chain);

/// Seconds that the target loses by each second that `rank` computes, about: where processors are fewer than the
/// threads of all ranks that share them (`threads`: threads_of_ranks), a rank of the target among them, twice the part
/// of them that `rank` computes on. Once that, since the target's threads do each other's work, and again, since they
/// share caches and wait at every operation; so measured on two of them. A synthetic stage counts as one thread: it
/// sleeps, but wakes up often.
double takes_from_target(const comm::Topology& topology, const std::vector<RankSite>& sites,
                         const std::vector<int>& threads, int rank);

}  // namespace pipespec::app
