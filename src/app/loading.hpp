/// What loading the models took, for the log.
#pragma once

#include "app/job.hpp"
#include "app/stage_rank.hpp"

namespace pipespec::app {

/// Collective: the first rank logs for every rank with a model how much of the model's files it has read.
void log_loading(const Job& job, const StageFiles& files, const StageRank& rank);

}  // namespace pipespec::app
