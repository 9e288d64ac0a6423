/// What loading the models takes, and what their ranks then take, for the log.
#pragma once

#include <cstdint>
#include <optional>

#include "app/job.hpp"
#include "app/stage_rank.hpp"

namespace pipespec::app {

/// Loads this rank's part of its stage's model, and compares what comes of it with the plan.
class LoadedRank {
 public:
  /// Loads. UserError as StageRank.
  LoadedRank(const Job& job, const StageFiles& files, Position context);

  StageRank& operator*() { return *rank_; }
  StageRank* operator->() { return &*rank_; }

  /// Collective: the first rank logs for every rank with a model how much of the model's files it has read.
  void log_reading(const Job& job) const;

  /// Collective: the first rank logs for every rank with a model the most memory it has taken, and what was planned:
  /// what the process held before it loaded anything, and the model's plan.
  void log_memory(const Job& job) const;

 private:
  std::int64_t stored_ = 0;   // bytes of the model's tensors
  std::int64_t planned_ = 0;  // bytes of memory for the model
  std::int64_t before_ = 0;   // bytes of memory without it
  double seconds_ = 0;
  std::optional<StageRank> rank_;
};

}  // namespace pipespec::app
