#include "decoding/wait_limit.hpp"

#include <algorithm>

namespace pipespec::decoding {

namespace {

constexpr double slack = 1.25;  ///< answers do not always take the same time

}  // namespace

double WaitLimit::choose(double hope) {
  if (hope == 0) return 0;
  const double limit = waits_.size() < fewest_waits ? hope : best_limit(hope);
  if (limit == 0 && ++skipped_ <= patience_) return 0;
  skipped_ = 0;
  return limit > 0 ? limit : hope;
}

void WaitLimit::answered(double seconds, double part) {
  remember({seconds, part, true});
  if (part > 0) patience_ = first_patience;
}

void WaitLimit::broken_off(double seconds) {
  remember({seconds, 0, false});
  patience_ = std::min(2 * patience_, most_patience);
}

void WaitLimit::remember(const Wait& wait) {
  if (waits_.size() < most_waits) {
    waits_.push_back(wait);
  } else {
    waits_[oldest_] = wait;
    oldest_ = (oldest_ + 1) % most_waits;
  }
}

/// Of the times after which answers came, with some slack; 0: none earns anything.
double WaitLimit::best_limit(double hope) const {
  std::vector<Wait> waits = waits_;
  std::ranges::sort(waits, {}, &Wait::seconds);
  double chance_to_last = 1, earned = 0, last = 0;  // seconds, up to the wait at hand
  double best = 0, limit = 0;
  for (std::size_t i = 0; i < waits.size(); ++i) {
    const Wait& wait = waits[i];
    earned -= chance_to_last * (wait.seconds - last);
    last = wait.seconds;
    if (!wait.is_answered) continue;
    const double chance = chance_to_last / static_cast<double>(waits.size() - i);  // to be answered now
    earned += chance * wait.part * hope;
    chance_to_last -= chance;
    const double with_slack = earned - chance_to_last * wait.seconds * (slack - 1);
    if (with_slack <= best) continue;
    best = with_slack;
    limit = wait.seconds * slack;
  }
  return limit;
}

}  // namespace pipespec::decoding
