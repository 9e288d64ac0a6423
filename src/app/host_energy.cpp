#include "app/host_energy.hpp"

#include <fstream>
#include <string>
#include <system_error>

#include "core/clock.hpp"

namespace pipespec::app {

namespace {

constexpr double seconds_between_looks = 30;

template <class T>
std::optional<T> read(const std::filesystem::path& file) {
  std::ifstream stream(file);
  T value{};
  if (stream >> value) return value;
  return std::nullopt;
}

/// The zones of the processors themselves: "intel-rapl:0" and, below it, "intel-rapl:0:1", on AMD's too. Their names
/// say what they count; cores are a part of their package, and others count the whole machine, or a package again.
bool is_counted(const std::filesystem::path& zone) {
  const std::string name = read<std::string>(zone / "name").value_or("");
  return zone.filename().string().starts_with("intel-rapl:") && (name.starts_with("package") || name == "dram");
}

}  // namespace

HostEnergy::HostEnergy(const std::filesystem::path& zones) {
  std::error_code none;
  for (const auto& zone : std::filesystem::directory_iterator(zones, none)) {
    if (!is_counted(zone.path())) continue;
    const auto now = read<std::int64_t>(zone.path() / "energy_uj");
    const auto range = read<std::int64_t>(zone.path() / "max_energy_range_uj");
    if (now && range) counters_.push_back({zone.path() / "energy_uj", *range, *now});
  }
  last_look_ = steady_seconds();
}

void HostEnergy::poll() {
  if (!counters_.empty() && steady_seconds() - last_look_ > seconds_between_looks) read_all();
}

std::optional<double> HostEnergy::joules() {
  if (counters_.empty()) return std::nullopt;
  read_all();
  return 1e-6 * static_cast<double>(microjoules_);
}

void HostEnergy::read_all() {
  for (Counter& counter : counters_) {
    const std::int64_t now = read<std::int64_t>(counter.file).value_or(counter.last);
    microjoules_ += now - counter.last + (now < counter.last ? counter.range : 0);
    counter.last = now;
  }
  last_look_ = steady_seconds();
}

}  // namespace pipespec::app
