#include "app/rank_meter.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace pipespec::app {
namespace {

/// A job of one drafter a rank; all ranks of the test are on one host.
Job job_on(const comm::Communicator& world) {
  config::RunConfig config;
  config.stages.resize(world.size());
  const comm::Topology topology(std::vector<int>(world.size(), 1));
  return {world, config, topology, topology.place(world.rank())};
}

TEST(RankMeter, TellsEveryRankWhatAllOfThemHaveTaken) {
  const comm::Communicator world = comm::Communicator::world();
  const Job job = job_on(world);
  const std::vector<RankSite> sites = gather_sites(world);
  const RunClock clock(steady_seconds());
  RankMeter meter(job, sites, clock);
  for (const int experiment : {0, 1}) {
    meter.begin();
    const double busy_until = steady_seconds() + 0.05;
    while (world.rank() == 0 && steady_seconds() < busy_until) meter.poll();
    world.barrier();
    const std::vector<TelemetryRecord> records = meter.end(experiment);
    ASSERT_EQ(std::ssize(records), world.size());
    for (int rank = 0; rank < world.size(); ++rank) {
      const TelemetryRecord& record = records[rank];
      EXPECT_EQ(record.experiment, experiment);
      EXPECT_EQ(record.rank, rank);
      EXPECT_LT(record.begin, record.end);
      EXPECT_GE(record.cpu_seconds, 0);
      EXPECT_GT(record.peak_memory, 1 << 20);
      EXPECT_TRUE(std::isfinite(record.clock_offset));
      EXPECT_TRUE(rank == 0 || std::isnan(record.energy)) << "a host's energy is told once";
    }
    EXPECT_GT(records[0].cpu_seconds, 0) << "it has computed all the time";
    EXPECT_EQ(records[0].clock_offset, 0);
    EXPECT_GE(records[0].end - records[0].begin, 0.05);
  }
}

}  // namespace
}  // namespace pipespec::app
