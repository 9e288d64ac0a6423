#include "app/loading.hpp"

#include "core/log.hpp"

namespace pipespec::app {

void log_loading(const Job& job, const StageFiles& files, const StageRank& rank) {
  constexpr double mib = 1024.0 * 1024.0;
  const std::vector<std::int64_t> read = job.world.gather_all(rank.bytes_read());
  const std::vector<std::int64_t> stored =
      job.world.gather_all(files.checkpoint ? files.checkpoint->stored_bytes() : std::int64_t{0});
  if (job.world.rank() != 0) return;
  for (int r = 0; r < job.world.size(); ++r) {
    if (stored[r] == 0) continue;
    log::info("rank {} ({}) read {:.1f} of its model's {:.1f} MiB", r, rank_name(job.config, job.topology, r),
              read[r] / mib, stored[r] / mib);
  }
}

}  // namespace pipespec::app
