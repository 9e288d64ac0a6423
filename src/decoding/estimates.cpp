#include "decoding/estimates.hpp"

#include <algorithm>
#include <iterator>

namespace pipespec::decoding {

// ------------------------------------------------------------------------------------------------------ PassTimes

namespace {

constexpr double pass_memory = 0.99;
constexpr int passes_of_slowness = 5;
constexpr double outlier = 2;          ///< a pass that took so many times what was expected was disturbed
constexpr double least_weight = 8;     ///< of observations that can tell
constexpr double first_slope = 0.05;   ///< a row more, in passes of one row
constexpr double weight_of_slope = 1;  ///< as that of a pass that is one row off the mean
constexpr double weight_of_line = 2;   ///< in passes of a number of rows
constexpr int rows_of_least_pass =
    8;  ///< a pass of fewer takes as long, it is assumed as long as only prompts are known

}  // namespace

void PassTimes::observe(int rows, double seconds) {
  if (is_long(rows)) return a_row_.observe(seconds / rows);
  if (by_rows_.empty()) by_rows_.assign(bins, RunningMean(pass_memory));
  if (weight_ > least_weight) seconds = std::min(seconds, outlier * this->seconds(rows));
  if (by_rows_[rows].weight() > least_weight) {
    slowness_.push_back(seconds / by_rows_[rows].mean());
    if (std::ssize(slowness_) > passes_of_slowness) slowness_.erase(slowness_.begin());
  }
  seconds /= slowness();
  weight_ = pass_memory * weight_ + 1;
  const auto learn = [this](double& mean, double value) { mean += (value - mean) / weight_; };
  const double r = rows;
  learn(rows_, r);
  learn(seconds_, seconds);
  learn(rows_squared_, r * r);
  learn(rows_by_seconds_, r * seconds);
  for (int i = 0; i < bins; ++i) i == rows ? by_rows_[i].observe(seconds) : by_rows_[i].fade();
}

double PassTimes::line(int rows) const {
  const double variance = rows_squared_ - rows_ * rows_, covariance = rows_by_seconds_ - rows_ * seconds_;
  const double prior = first_slope * seconds_ / (1 + first_slope * (rows_ - 1));
  const double prior_weight = weight_of_slope / weight_;
  const double slope = std::max(0.0, (covariance + prior_weight * prior) / (variance + prior_weight));
  return seconds_ + slope * (rows - rows_);
}

double PassTimes::seconds(int rows) const {
  if (weight_ == 0) return std::max(rows, rows_of_least_pass) * a_row_.mean();
  if (is_long(rows) && a_row_.weight() > 0) return std::max(rows * a_row_.mean(), this->seconds(bins - 1));
  return usual(rows) * slowness();
}

double PassTimes::usual(int rows) const {
  const double expected = std::max(line(rows), 0.0);
  return is_long(rows) ? expected : by_rows_[rows].value(expected, weight_of_line);
}

/// The median, which a single pass that was disturbed does not change.
double PassTimes::slowness() const {
  if (std::ssize(slowness_) < passes_of_slowness) return 1;
  std::vector<double> sorted = slowness_;
  std::ranges::nth_element(sorted, sorted.begin() + passes_of_slowness / 2);
  return sorted[passes_of_slowness / 2];
}

PassTimes::PassTimes() : a_row_(pass_memory) {}

// ----------------------------------------------------------------------------------------------- AcceptanceChance

namespace {

constexpr double first_guess = 0.6;
constexpr double weight_of_overall = 2;                    ///< in drafts of a confidence
constexpr double weight_of_confidence = 2;                 ///< in those of them behind a streak
constexpr int bounds[] = {-8, -4, -2, 0, 1, 2, 4, 8, 16};  ///< the last streak of every class but the last

std::size_t class_of(Streak streak) {
  return static_cast<std::size_t>(std::ranges::lower_bound(bounds, streak.length()) - std::begin(bounds));
}

}  // namespace

AcceptanceChance::AcceptanceChance(double memory)
    : overall_(memory),
      by_confidence_(Confidence::count, RunningMean(memory)),
      by_both_(Confidence::count, std::vector(std::size(bounds) + 1, RunningMean(memory))) {}

double AcceptanceChance::of_draft_behind(Streak streak, Confidence confidence) const {
  const double of_all = overall_.value(first_guess, 1);
  const double of_confidence = by_confidence_[confidence.value()].value(of_all, weight_of_overall);
  return by_both_[confidence.value()][class_of(streak)].value(of_confidence, weight_of_confidence);
}

void AcceptanceChance::observe(Streak streak, Confidence confidence, bool accepted) {
  overall_.observe(accepted);
  by_confidence_[confidence.value()].observe(accepted);
  by_both_[confidence.value()][class_of(streak)].observe(accepted);
}

void AcceptanceChance::fade() {
  overall_.fade();
  for (RunningMean& mean : by_confidence_) mean.fade();
  for (auto& means : by_both_) {
    for (RunningMean& mean : means) mean.fade();
  }
}

}  // namespace pipespec::decoding
