#include "results/summary.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "core/error.hpp"

namespace pipespec::results {
namespace {

using SamplePointers = std::vector<const CompletedSample*>;

/// Tokens whose time is measured: the first one belongs to the prefill.
std::int64_t timed_tokens(const SampleRecord& sample) {
  return std::max<std::int64_t>(static_cast<std::int64_t>(sample.tokens.size()) - 1, 0);
}

/// Times and tokens of samples. Times in which several samples were decoded count once.
class Total {
 public:
  Total() = default;
  explicit Total(const CompletedSample& completed) { add(completed); }

  void add(const CompletedSample& completed) {
    times_.push_back({completed.attempt, completed.sample.first_token, completed.sample.end});
    tokens_ += timed_tokens(completed.sample);
  }
  bool is_measured() const { return tokens_ > 0 && seconds() > 0; }
  double seconds_per_token() const { return seconds() / static_cast<double>(tokens_); }

 private:
  struct Interval {
    std::int32_t attempt;
    double begin, end;
    friend auto operator<=>(const Interval&, const Interval&) = default;
  };

  double seconds() const {
    std::vector<Interval> times = times_;
    std::ranges::sort(times);
    double sum = 0;
    Interval last{-1, 0, 0};
    for (const Interval& time : times) {
      const double begin = time.attempt == last.attempt ? std::max(time.begin, last.end) : time.begin;
      sum += std::max(0.0, time.end - begin);
      if (time.attempt != last.attempt || time.end > last.end) last = time;
    }
    return sum;
  }

  std::vector<Interval> times_;
  std::int64_t tokens_ = 0;
};

SamplePointers samples_of(const Results& results, std::size_t experiment) {
  SamplePointers samples;
  for (const CompletedSample& completed : results.samples)
    if (static_cast<std::size_t>(completed.sample.experiment) == experiment) samples.push_back(&completed);
  return samples;
}

/// All but those that ran on cold caches: the first in time of each replica. All of them if there are no others.
SamplePointers warm_samples(SamplePointers samples) {
  const auto moment = [](const CompletedSample* completed) {
    return std::tuple(completed->attempt, completed->sample.start);
  };
  std::map<std::int32_t, const CompletedSample*> cold;  // by replica
  for (const CompletedSample* completed : samples) {
    const CompletedSample*& first = cold.try_emplace(completed->replica, completed).first->second;
    if (moment(completed) < moment(first)) first = completed;
  }
  if (cold.size() < samples.size())
    std::erase_if(samples, [&](const CompletedSample* completed) { return cold.at(completed->replica) == completed; });
  return samples;
}

/// The prompt, whatever the experiment.
std::pair<std::int32_t, std::int32_t> prompt_of(const CompletedSample* completed) {
  return {completed->sample.task, completed->sample.index};
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// Samples of two experiments on the same prompt.
using Pairs = std::vector<std::pair<const CompletedSample*, const CompletedSample*>>;

Pairs pair_up(const SamplePointers& baseline, const SamplePointers& samples) {
  std::map<std::pair<std::int32_t, std::int32_t>, const CompletedSample*> by_prompt;
  for (const CompletedSample* completed : baseline) by_prompt[prompt_of(completed)] = completed;
  Pairs pairs;
  for (const CompletedSample* completed : samples)
    if (const auto twin = by_prompt.find(prompt_of(completed)); twin != by_prompt.end())
      pairs.emplace_back(twin->second, completed);
  return pairs;
}

/// Times, over warm samples alone.
void add_times(ExperimentSummary& summary, const SamplePointers& warm) {
  Total total;
  for (const CompletedSample* completed : warm) total.add(*completed);
  if (!total.is_measured()) return;
  summary.ms_per_token = 1e3 * total.seconds_per_token();
  summary.tokens_per_second = 1 / total.seconds_per_token();
}

/// Both speed-ups compare times per token, which for identical outputs is comparing times.
void add_speedups(ExperimentSummary& summary, const SamplePointers& warm_baseline, const SamplePointers& warm) {
  Total before, after;
  std::vector<double> ratios;
  for (const auto& [base, completed] : pair_up(warm_baseline, warm)) {
    const Total a(*base), b(*completed);
    if (!a.is_measured() || !b.is_measured()) continue;
    before.add(*base);
    after.add(*completed);
    ratios.push_back(a.seconds_per_token() / b.seconds_per_token());
  }
  if (ratios.empty()) return;
  summary.speedup_total = before.seconds_per_token() / after.seconds_per_token();
  summary.speedup_median = median(std::move(ratios));
}

/// Mean acceptance length: tokens that the target's decoding passes appended, a pass. Prefill appends the first token.
void add_acceptance(ExperimentSummary& summary, const SamplePointers& samples) {
  std::int64_t passes = 0, tokens = 0;
  for (const CompletedSample* completed : samples) {
    if (completed->stages.empty() || !completed->stages.back()) continue;
    for (const StepRecord& step : completed->stages.back()->steps) {
      if (step.kind == StepKind::prefill) continue;
      passes += 1;
      tokens += step.appended;
    }
  }
  if (passes > 0) summary.acceptance_length = static_cast<double>(tokens) / static_cast<double>(passes);
}

void add_comparison(ExperimentSummary& summary, const SamplePointers& baseline, const SamplePointers& samples) {
  for (const auto& [base, completed] : pair_up(baseline, samples)) {
    const std::vector<Token>&expected = base->sample.tokens, &tokens = completed->sample.tokens;
    summary.compared += 1;
    if (tokens == expected) {
      summary.identical += 1;
    } else if (!summary.first_difference) {
      const auto [ours, theirs] = std::ranges::mismatch(tokens, expected);
      summary.first_difference = Difference{key_of(completed->sample), completed->sample.id, ours - tokens.begin()};
    }
  }
}

}  // namespace

std::vector<ExperimentSummary> summarise(const Results& results) {
  const auto& experiments = results.configuration.experiments;
  const auto autoregressive =
      std::ranges::find(experiments, config::Strategy::autoregressive, &config::ExperimentConfig::strategy);
  SamplePointers baseline;
  if (autoregressive != experiments.end())
    baseline = samples_of(results, static_cast<std::size_t>(autoregressive - experiments.begin()));
  const SamplePointers warm_baseline = warm_samples(baseline);

  std::vector<ExperimentSummary> summaries;
  for (std::size_t i = 0; i < experiments.size(); ++i) {
    const SamplePointers samples = samples_of(results, i);
    const SamplePointers warm = warm_samples(samples);
    ExperimentSummary summary;
    summary.label = experiments[i].label;
    summary.chain = config::stage_names(results.configuration, experiments[i]);
    summary.samples = static_cast<std::int64_t>(samples.size());
    for (const CompletedSample* completed : samples)
      summary.tokens += static_cast<std::int64_t>(completed->sample.tokens.size());
    add_times(summary, warm);
    add_speedups(summary, warm_baseline, warm);
    add_acceptance(summary, samples);
    add_comparison(summary, baseline, samples);
    summaries.push_back(std::move(summary));
  }
  return summaries;
}

}  // namespace pipespec::results
