#include "app/process_memory.hpp"

#include <fstream>
#include <limits>
#include <string>

#include "core/error.hpp"

namespace pipespec::app {

ProcessMemory process_memory() {
  std::ifstream status("/proc/self/status");
  ProcessMemory memory;
  for (std::string key; status >> key; status.ignore(std::numeric_limits<std::streamsize>::max(), '\n')) {
    std::int64_t kib = 0;
    if (key == "VmRSS:" && status >> kib) memory.resident = kib * 1024;
    if (key == "VmHWM:" && status >> kib) memory.peak = kib * 1024;
  }
  if (memory.resident == 0 || memory.peak == 0) throw Failure("/proc/self/status does not tell this process's memory");
  return memory;
}

}  // namespace pipespec::app
