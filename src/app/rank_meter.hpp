/// What the ranks of a job take of their hosts.
#pragma once

#include <vector>

#include "app/host_energy.hpp"
#include "app/job.hpp"
#include "app/placement.hpp"
#include "core/clock.hpp"
#include "core/trace.hpp"

namespace pipespec::app {

/// Measures one experiment after the other on this rank. Its arguments outlive it.
class RankMeter {
 public:
  RankMeter(const Job& job, const std::vector<RankSite>& sites, const RunClock& clock);

  /// An experiment begins.
  void begin();

  /// While it runs, at least once a minute; cheap.
  void poll() { energy_.poll(); }

  /// Collective, right after a barrier: it has ended. The records of all ranks, in rank order, on every rank.
  std::vector<TelemetryRecord> end(int experiment);

 private:
  double joules();

  const Job& job_;
  const RunClock& clock_;
  bool is_first_of_host_;
  HostEnergy energy_;
  TelemetryRecord at_begin_;  // the readings that only differences count of
};

}  // namespace pipespec::app
