#include "app/placement.hpp"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <thread>

#include "comm/session.hpp"

namespace pipespec::app {

namespace {

cpu_set_t allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return set;
  for (unsigned cpu = 0; cpu < std::max(1U, std::thread::hardware_concurrency()); ++cpu) CPU_SET(cpu, &set);
  return set;
}

/// "0-3,8"
std::string list_of(const cpu_set_t& set) {
  std::string list;
  for (int first = 0; first < CPU_SETSIZE; ++first) {
    if (!CPU_ISSET(first, &set)) continue;
    int last = first;
    while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &set)) ++last;
    list += fmt::format("{}{}", list.empty() ? "" : ",", first);
    if (last > first) list += fmt::format("-{}", last);
    first = last;
  }
  return list;
}

}  // namespace

int usable_cpus() {
  const cpu_set_t set = allowed_cpus();
  return CPU_COUNT(&set);
}

std::vector<RankSite> gather_sites(const comm::Communicator& world) {
  const std::vector<std::string> hosts = world.gather_all(comm::host_name());
  const std::vector<std::string> cpus = world.gather_all(list_of(allowed_cpus()));
  const std::vector<std::int64_t> counts = world.gather_all(std::int64_t{usable_cpus()});
  std::vector<RankSite> sites;
  for (int r = 0; r < world.size(); ++r) sites.push_back({hosts[r], cpus[r], static_cast<int>(counts[r])});
  return sites;
}

std::vector<int> threads_of_ranks(const config::RunConfig& config, const comm::Topology& topology,
                                  const std::vector<RankSite>& sites, const std::vector<int>& chain) {
  std::vector<int> working;  // ranks that compute; a synthetic stage sleeps through its passes
  for (int rank = 0; rank < topology.ranks(); ++rank) {
    const int stage = topology.place(rank).stage.value;
    const bool is_in_chain = std::find(chain.begin(), chain.end(), stage) != chain.end();
    if (is_in_chain && config.stages[stage].has_weights()) working.push_back(rank);
  }
  const auto stage_of = [&](int rank) { return topology.place(rank).stage.value; };
  const auto is_target = [&](int rank) { return stage_of(rank) == topology.stages() - 1; };

  std::vector<int> threads(topology.ranks(), 0);
  for (const int rank : working) {
    int neighbours = 0, sharing = 0;  // ranks on these processors, and the target's among them
    for (const int other : working) {
      if (sites[other] != sites[rank]) continue;
      ++neighbours;
      if (is_target(other)) ++sharing;
    }
    const int wanted = config.stages[stage_of(rank)].threads;
    threads[rank] = wanted > 0        ? wanted
                    : neighbours == 1 ? sites[rank].count
                    : is_target(rank) ? std::max(1, sites[rank].count / sharing)
                                      : 1;
  }
  return threads;
}

double takes_from_target(const comm::Topology& topology, const std::vector<RankSite>& sites,
                         const std::vector<int>& threads, int rank) {
  const int own = std::max(1, threads[rank]);
  int all = own;
  bool has_target = false;
  for (int other = 0; other < topology.ranks(); ++other) {
    if (sites[other] != sites[rank]) continue;
    if (other != rank) all += threads[other];
    has_target |= threads[other] > 0 && topology.place(other).stage.value == topology.stages() - 1;
  }
  const int processors = sites[rank].count;
  return has_target && all > processors ? std::min(1.0, 2.0 * own / processors) : 0;
}

}  // namespace pipespec::app
