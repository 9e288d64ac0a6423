/// Where the results of a job come from.
#pragma once

#include "app/job.hpp"
#include "results/results.hpp"

namespace pipespec::app {

/// The models and data sets of a configuration, with the hashes of their content. Reads all of them.
results::Inputs hash_inputs(const config::RunConfig& config);

/// Collective: hosts, instruction sets, clocks and loading; `clock_offset` and `bytes_read` are this rank's. The inputs
/// are the caller's to add.
results::Provenance gather_provenance(const Job& job, double clock_offset, std::int64_t bytes_read);

}  // namespace pipespec::app
