/// Where the results of a job come from.
#pragma once

#include "app/job.hpp"
#include "results/results.hpp"

namespace pipespec::app {

/// Collective: hosts, instruction sets, clocks, and hashes of the models and data sets. `clock_offset` is this rank's.
results::Provenance gather_provenance(const Job& job, double clock_offset);

}  // namespace pipespec::app
