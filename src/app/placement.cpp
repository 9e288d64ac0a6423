#include "app/placement.hpp"

#include <sched.h>

#include <algorithm>
#include <map>
#include <thread>

#include "comm/session.hpp"

namespace pipespec::app {

namespace {

int host_cpus() {
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

int usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : host_cpus();
}

std::vector<RankSite> gather_sites(const comm::Communicator& world) {
  const std::vector<std::string> hosts = world.gather_all(comm::host_name());
  const std::vector<std::int64_t> usable = world.gather_all(std::int64_t{usable_cpus()});
  const std::vector<std::int64_t> present = world.gather_all(std::int64_t{host_cpus()});
  std::vector<RankSite> sites;
  for (int r = 0; r < world.size(); ++r) {
    sites.push_back({hosts[r], static_cast<int>(usable[r]), static_cast<int>(present[r])});
  }
  return sites;
}

std::vector<int> threads_of_ranks(const config::RunConfig& config, const comm::Topology& topology,
                                  const std::vector<RankSite>& sites, const std::vector<int>& chain) {
  struct Load {
    int taken = 0;    // cores of drafters and of stages that name their threads
    int targets = 0;  // ranks of the target that share the rest
  };
  std::map<std::string, Load> loads;
  std::vector<int> threads(topology.ranks(), 0);
  for (int rank = 0; rank < topology.ranks(); ++rank) {
    const int index = topology.place(rank).stage.value;
    const config::StageConfig& stage = config.stages[index];
    const bool works = std::find(chain.begin(), chain.end(), index) != chain.end();
    if (!works || stage.drafter != config::DrafterKind::model) continue;
    const RankSite& site = sites[rank];
    const bool is_bound = site.cpus < site.host_cpus;
    const bool is_target = index == topology.stages() - 1;
    threads[rank] = stage.threads > 0 ? stage.threads : is_bound ? site.cpus : is_target ? 0 : 1;
    Load& load = loads[site.host];
    load.taken += threads[rank];
    load.targets += threads[rank] == 0 ? 1 : 0;
    if (threads[rank] == 0) threads[rank] = -1;  // decided below
  }
  for (int rank = 0; rank < topology.ranks(); ++rank) {
    if (threads[rank] >= 0) continue;
    const Load& load = loads[sites[rank].host];
    threads[rank] = std::max(1, (sites[rank].cpus - load.taken) / load.targets);
  }
  return threads;
}

}  // namespace pipespec::app
