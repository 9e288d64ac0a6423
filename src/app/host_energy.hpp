/// The energy that this host's processors and memory take, where they tell.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace pipespec::app {

/// Reads the counters of RAPL that Linux shows as power zones
/// (https://docs.kernel.org/power/powercap/powercap.html): the packages, and their memory where it is counted apart.
/// Many systems let only root read them. Not thread-safe.
class HostEnergy {
 public:
  /// Counts from now on. `zones`: the folder of the power zones.
  explicit HostEnergy(const std::filesystem::path& zones = "/sys/class/powercap");

  /// Keeps up with the counters. They turn over after some minutes of full load, so call it at least once a minute;
  /// cheap to call more often.
  void poll();

  /// Joules since the construction; none where no counter can be read.
  std::optional<double> joules();

 private:
  struct Counter {
    std::filesystem::path file;
    std::int64_t range = 0;  // microjoules at which it turns over
    std::int64_t last = 0;
  };

  void read_all();

  std::vector<Counter> counters_;
  std::int64_t microjoules_ = 0;
  double last_look_ = 0;
};

}  // namespace pipespec::app
