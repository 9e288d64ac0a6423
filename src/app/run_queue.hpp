/// The samples of one experiment of `pipespec run`, on their way to the target and back.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "app/progress.hpp"
#include "app/stop_matcher.hpp"
#include "comm/stop_board.hpp"
#include "config/run_config.hpp"
#include "pipeline/sample_queue.hpp"
#include "results/journal.hpp"
#include "results/results.hpp"
#include "tasks/samples.hpp"
#include "text/tokenizer.hpp"

namespace pipespec::app {

/// What the queues of all experiments of a run share, at the target's leader. References outlive the queues.
struct RunContext {
  const config::RunConfig& config;
  const std::vector<std::vector<tasks::Sample>>& samples;  ///< [task]
  const text::Tokenizer& tokenizer;
  Position context = 0;  ///< positions the target has room for
  results::Journal& journal;
  Progress& progress;
  std::function<bool()> is_stopped;  ///< a signal has asked the job to end: samples in flight are dropped
  std::function<bool()> is_late;     ///< the end of the job's time is near: no new sample is begun
};

/// Hands out the samples that are still to be done, in the order of the data sets, and puts each answer into the
/// journal, on the disk, as soon as it is complete.
class RunQueue final : public pipeline::SampleQueue {
 public:
  /// `todo`: the samples of experiment `experiment`, in order.
  RunQueue(const RunContext& run, int experiment, std::vector<results::SampleKey> todo);

  std::optional<pipeline::Request> next() override;
  bool should_abandon() override { return run_.is_stopped(); }
  std::optional<std::size_t> commit(std::int64_t key, std::span<const Token> tokens) override;
  void answered(pipeline::Answer answer) override;

 private:
  const tasks::Sample& sample(const results::SampleKey& key) const;

  const RunContext& run_;
  int experiment_;
  std::vector<results::SampleKey> todo_;
  std::size_t next_ = 0;
  std::map<std::int64_t, StopMatcher> texts_;  // of the samples in flight, by index into todo_
};

}  // namespace pipespec::app
