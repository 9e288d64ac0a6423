/// The samples of one experiment of `pipespec run`, on their way to the target and back.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "app/stop_matcher.hpp"
#include "config/run_config.hpp"
#include "pipeline/sample_queue.hpp"
#include "pipeline/sample_service.hpp"
#include "results/journal.hpp"
#include "results/results.hpp"
#include "tasks/samples.hpp"
#include "text/tokenizer.hpp"

namespace pipespec::app {

/// What the queues of all experiments of a run share, at a target's leader. References outlive the queues.
struct RunContext {
  const config::RunConfig& config;
  const std::vector<std::vector<tasks::Sample>>& samples;  ///< [task]
  const text::Tokenizer& tokenizer;
  Position context = 0;  ///< positions the target has room for
  results::Journal& journal;
  std::function<bool()> is_late;  ///< the end of the job's time is near: no new sample is begun
};

/// Takes the samples that this replica is given, and puts each answer into the journal, on the disk, as soon as it is
/// complete.
class RunQueue final : public pipeline::SampleQueue {
 public:
  /// `samples` names those of experiment `experiment` by their number (sample_number in workload.hpp).
  RunQueue(const RunContext& run, int experiment, pipeline::SampleClient& samples)
      : run_(run), experiment_(experiment), samples_(samples) {}

  std::optional<pipeline::Request> next() override;
  bool is_exhausted() override { return samples_.is_over() || run_.is_late(); }
  bool should_abandon() override { return samples_.is_abandoned(); }
  std::optional<std::size_t> commit(std::int64_t number, std::span<const Token> tokens) override;
  void answered(pipeline::Answer answer) override;

 private:
  const RunContext& run_;
  int experiment_;
  pipeline::SampleClient& samples_;
  std::map<std::int64_t, StopMatcher> texts_;  // of the samples in flight, by number
};

}  // namespace pipespec::app
