/// When the job's time is up.
#pragma once

#include <optional>

#include "config/run_config.hpp"

namespace pipespec::app {

/// The moment on this host's steady clock from which no new sample should begin; none if the job has no end. With
/// `limits.time: auto` the end is the batch system's (Slurm's SLURM_JOB_END_TIME), if it tells one.
std::optional<double> last_moment(const config::LimitsConfig& limits);

}  // namespace pipespec::app
