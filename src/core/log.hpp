/// Logging to stderr, one line a message, with the rank in front when there are several.
#pragma once

#include <spdlog/spdlog.h>

namespace pipespec::log {

/// Sets the process's log up. `rank` is shown when `ranks` > 1; below warnings only rank 0 speaks.
/// The level is taken from the environment variable PIPESPEC_LOG (trace, debug, info, warn, error), else info.
void configure(int rank, int ranks);

using spdlog::debug;
using spdlog::error;
using spdlog::info;
using spdlog::warn;

}  // namespace pipespec::log
