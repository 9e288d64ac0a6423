#include "app/loading.hpp"

#include "app/process_memory.hpp"
#include "core/clock.hpp"
#include "core/log.hpp"
#include "model/memory_plan.hpp"

namespace pipespec::app {

namespace {

constexpr double mib = 1024.0 * 1024.0;

/// Calls `log(rank, name)` on the first rank for every rank that has a model.
template <class Log>
void for_each_model(const Job& job, Log&& log) {
  if (job.world.rank() != 0) return;
  for (int rank = 0; rank < job.world.size(); ++rank) {
    const config::StageConfig& stage = job.config.stages[job.topology.place(rank).stage.value];
    if (stage.has_weights()) log(rank, rank_name(job.config, job.topology, rank));
  }
}

}  // namespace

LoadedRank::LoadedRank(const Job& job, const StageFiles& files, Position context) {
  if (files.checkpoint) {
    const model::TensorParallel place{job.place.shard, job.topology.shards(job.place.stage)};
    stored_ = files.checkpoint->stored_bytes();
    planned_ =
        model::memory_plan(*files.checkpoint, model_options(job.config, job.stage(), files, context), place).total();
  }
  before_ = process_memory().resident;
  const double begin = steady_seconds();
  rank_.emplace(job, files, context);
  seconds_ = steady_seconds() - begin;
}

void LoadedRank::log_reading(const Job& job) const {
  const std::vector<std::int64_t> read = job.world.gather_all(rank_->bytes_read());
  const std::vector<std::int64_t> stored = job.world.gather_all(stored_);
  const std::vector<double> seconds = job.world.gather_all(seconds_);
  for_each_model(job, [&](int rank, const std::string& name) {
    log::info("rank {} ({}) read {:.1f} of its model's {:.1f} MiB in {:.2f} s", rank, name, read[rank] / mib,
              stored[rank] / mib, seconds[rank]);
  });
}

void LoadedRank::log_memory(const Job& job) const {
  const std::vector<std::int64_t> peak = job.world.gather_all(process_memory().peak);
  const std::vector<std::int64_t> before = job.world.gather_all(before_);
  const std::vector<std::int64_t> planned = job.world.gather_all(planned_);
  for_each_model(job, [&](int rank, const std::string& name) {
    log::info("rank {} ({}) took {:.1f} MiB of memory at most; planned {:.1f}: model {:.1f}, program {:.1f}", rank,
              name, peak[rank] / mib, (planned[rank] + before[rank]) / mib, planned[rank] / mib, before[rank] / mib);
  });
}

}  // namespace pipespec::app
