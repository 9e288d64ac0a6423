#include "app/deadline.hpp"

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <string_view>

#include "core/clock.hpp"

namespace pipespec::app {

namespace {

/// Seconds until the batch system ends the job.
std::optional<double> seconds_granted() {
  const char* text = std::getenv("SLURM_JOB_END_TIME");  // seconds since 1970
  if (text == nullptr) return std::nullopt;
  const std::string_view digits(text);
  std::int64_t end = 0;
  if (std::from_chars(digits.data(), digits.data() + digits.size(), end).ec != std::errc()) return std::nullopt;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<double>(end) - std::chrono::duration<double>(now).count();
}

}  // namespace

std::optional<double> last_moment(const config::LimitsConfig& limits) {
  const std::optional<double> granted = limits.time_seconds ? limits.time_seconds : seconds_granted();
  if (!granted) return std::nullopt;
  return steady_seconds() + *granted - limits.stop_before_end_seconds;
}

}  // namespace pipespec::app
