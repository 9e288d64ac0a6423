#include "app/rank_meter.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <limits>

#include "app/process_memory.hpp"
#include "comm/clock_offset.hpp"

namespace pipespec::app {

namespace {

/// Of this process, all its threads, user and system.
double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + 1e-6 * time.tv_usec; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

bool is_first_of_host(const std::vector<RankSite>& sites, int rank) {
  return std::none_of(sites.begin(), sites.begin() + rank,
                      [&](const RankSite& other) { return other.host == sites[rank].host; });
}

}  // namespace

RankMeter::RankMeter(const Job& job, const std::vector<RankSite>& sites, const RunClock& clock)
    : job_(job), clock_(clock), is_first_of_host_(is_first_of_host(sites, job.world.rank())) {}

void RankMeter::begin() {
  at_begin_.begin = clock_.now();
  at_begin_.cpu_seconds = cpu_seconds();
  at_begin_.energy = joules();
}

std::vector<TelemetryRecord> RankMeter::end(int experiment) {
  const comm::Communicator& world = job_.world;
  const std::vector<double> ends = world.gather_all(clock_.now());
  const std::vector<double> begins = world.gather_all(at_begin_.begin);
  const std::vector<double> cpu = world.gather_all(cpu_seconds() - at_begin_.cpu_seconds);
  const std::vector<double> energy = world.gather_all(joules() - at_begin_.energy);
  const std::vector<std::int64_t> memory = world.gather_all(process_memory().peak);
  const std::vector<double> offsets = world.gather_all(comm::clock_offset(world));
  std::vector<TelemetryRecord> records;
  for (int rank = 0; rank < world.size(); ++rank) {
    records.push_back({.experiment = experiment,
                       .rank = rank,
                       .begin = begins[rank],
                       .end = ends[rank],
                       .cpu_seconds = cpu[rank],
                       .peak_memory = memory[rank],
                       .energy = energy[rank],
                       .clock_offset = offsets[rank]});
  }
  return records;
}

/// Of the host, told by its first rank; NaN at the others, and where it cannot be read.
double RankMeter::joules() {
  constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  return is_first_of_host_ ? energy_.joules().value_or(unknown) : unknown;
}

}  // namespace pipespec::app
