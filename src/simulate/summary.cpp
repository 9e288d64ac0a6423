#include "simulate/summary.hpp"

#include <algorithm>
#include <utility>

namespace pipespec::simulate {

namespace {

/// Begin and end, in seconds.
using Interval = std::pair<double, double>;

/// The same moments as intervals that are apart, ascending.
std::vector<Interval> united(std::vector<Interval> intervals) {
  std::sort(intervals.begin(), intervals.end());
  std::vector<Interval> apart;
  for (const auto& [begin, end] : intervals) {
    if (apart.empty() || apart.back().second < begin) {
      apart.emplace_back(begin, end);
    } else {
      apart.back().second = std::max(apart.back().second, end);
    }
  }
  return apart;
}

double length(const std::vector<Interval>& apart) {
  double sum = 0;
  for (const auto& [begin, end] : apart) sum += end - begin;
  return sum;
}

/// Of two lists of intervals that are apart.
double common_length(const std::vector<Interval>& one, const std::vector<Interval>& other) {
  double sum = 0;
  auto b = other.begin();
  for (const Interval& a : one) {
    while (b != other.end() && b->second <= a.first) ++b;
    for (auto c = b; c != other.end() && c->first < a.second; ++c) {
      sum += std::min(a.second, c->second) - std::max(a.first, c->first);
    }
  }
  return sum;
}

}  // namespace

Summary summarise(std::span<const Sample> samples) {
  Summary summary;
  std::int64_t timed = 0, passes = 0, appended = 0, messages = 0;
  double seconds = 0;
  std::vector<Interval> decoding;
  for (const Sample& sample : samples) {
    summary.tokens += std::ssize(sample.tokens);
    messages += sample.messages;
    timed += std::ssize(sample.tokens) - 1;
    seconds += sample.commit_times.back() - sample.commit_times.front();
    decoding.emplace_back(sample.commit_times.front(), sample.commit_times.back());
    for (const StepRecord& step : sample.steps.back()) {
      if (step.kind == StepKind::prefill) continue;
      ++passes;
      appended += step.appended;
    }
  }
  decoding = united(std::move(decoding));
  const double time = length(decoding);
  if (summary.tokens > 0) summary.messages_per_token = static_cast<double>(messages) / summary.tokens;
  if (passes > 0) summary.tokens_per_pass = static_cast<double>(appended) / passes;
  if (timed > 0) summary.ms_per_token = 1e3 * seconds / timed;
  if (time > 0) summary.tokens_per_second = timed / time;
  for (std::size_t stage = 0; !samples.empty() && stage < samples[0].steps.size(); ++stage) {
    std::vector<Interval> steps;
    for (const Sample& sample : samples) {
      for (const StepRecord& step : sample.steps[stage]) steps.emplace_back(step.begin, step.end);
    }
    summary.busy.push_back(time > 0 ? common_length(decoding, united(std::move(steps))) / time : 0);
  }
  return summary;
}

}  // namespace pipespec::simulate
