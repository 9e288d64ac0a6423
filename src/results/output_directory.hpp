/// The output directory of a run: made, checked against the configuration and locked before any weights are loaded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "config/run_config.hpp"
#include "results/file_handle.hpp"
#include "results/results.hpp"

namespace pipespec::results {

/// DIR/journal/rank-<rank>.journal
std::filesystem::path journal_path(const std::filesystem::path& directory, int rank);

/// The journals of all ranks that are there, sorted.
std::vector<std::filesystem::path> journal_paths(const std::filesystem::path& directory);

/// DIR/results.h5
std::filesystem::path results_path(const std::filesystem::path& directory);

/// One job's hold on its output directory. Made on one rank, before the journals of all ranks are opened, and kept
/// until the job ends: a second job on the same directory is refused (flock, which the kernel lets go when the process
/// dies). Not thread-safe.
class OutputDirectory {
 public:
  /// Makes the directory where it is missing. UserError, one line, if it is not a directory, cannot be written, is in
  /// use by another job, or holds the results of another configuration.
  explicit OutputDirectory(const config::RunConfig& config);

  /// UserError if an earlier launch read a file of the same path with another content: samples of two models or data
  /// sets do not belong into one table.
  void expect_inputs(const Inputs& inputs) const;

  const std::filesystem::path& path() const { return path_; }

  /// Number of this launch, from 0: one more than any launch that left a journal. Tell all ranks.
  std::int32_t attempt() const { return attempt_; }

  /// The samples that earlier launches completed, in ascending order. They must not be decoded again.
  const std::vector<SampleKey>& completed() const { return completed_; }

 private:
  std::filesystem::path path_;
  FileHandle lock_;
  std::int32_t attempt_ = 0;
  std::vector<SampleKey> completed_;
  std::vector<Inputs> earlier_;  // of the launches that got as far as to note them
};

}  // namespace pipespec::results
