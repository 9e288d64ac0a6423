#include "app/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "core/clock.hpp"

namespace pipespec::app {

namespace {

constexpr double redraw_seconds = 0.2;  // of the bar
constexpr double line_seconds = 10;     // between plain lines
constexpr int bar_width = 24;

std::string clock_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  return whole < 3600 ? fmt::format("{}:{:02}", whole / 60, whole % 60)
                      : fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

}  // namespace

Progress::Progress(std::int64_t samples, std::int64_t done)
    : is_terminal_(isatty(STDERR_FILENO) != 0 || std::getenv("PIPESPEC_TERMINAL") != nullptr),
      samples_(samples),
      done_(done),
      begin_(steady_seconds()) {}

Progress::~Progress() {
  if (is_line_open_) std::fputc('\n', stderr);
}

void Progress::begin(std::string label) {
  label_ = std::move(label);
  label_begin_ = steady_seconds();
  label_tokens_ = 0;
  show(true);
}

void Progress::add_tokens(std::int64_t count) {
  label_tokens_ += count;
  show(false);
}

void Progress::add_sample() {
  ++done_;
  ++done_here_;
  show(done_ == samples_);
}

std::string Progress::line() const {
  const double now = steady_seconds();
  const double rate = label_tokens_ > 0 ? label_tokens_ / std::max(1e-9, now - label_begin_) : 0;
  std::string left;
  if (done_here_ > 0) left = ", " + clock_text((now - begin_) / done_here_ * (samples_ - done_)) + " left";
  const std::string speed = rate > 0 ? fmt::format(", {:.1f} tokens/s", rate) : "";
  return fmt::format("{}/{} samples, {}{}{}", done_, samples_, label_, speed, left);
}

void Progress::show(bool at_once) {
  const double now = steady_seconds();
  if (!at_once && now - last_shown_ < (is_terminal_ ? redraw_seconds : line_seconds)) return;
  last_shown_ = now;
  if (!is_terminal_) {
    fmt::print(stderr, "{}\n", line());
    return;
  }
  const auto filled = static_cast<int>(samples_ > 0 ? done_ * bar_width / samples_ : bar_width);
  fmt::print(stderr, "\r[{:#<{}}{:.<{}}] {}\x1b[K", "", filled, "", bar_width - filled, line());
  std::fflush(stderr);
  is_line_open_ = true;
}

}  // namespace pipespec::app
