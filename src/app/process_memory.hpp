/// What this process takes of the host's memory.
#pragma once

#include <cstdint>

namespace pipespec::app {

/// Bytes in memory: the process's own, and the pages it has touched of files and libraries, which the system keeps once
/// for all processes of a host.
struct ProcessMemory {
  std::int64_t resident = 0;
  std::int64_t peak = 0;  ///< the most `resident` has been
};

/// As Linux tells it (/proc/self/status); Failure where it does not.
ProcessMemory process_memory();

}  // namespace pipespec::app
