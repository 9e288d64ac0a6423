/// Default labels of experiments.
#pragma once

#include <cstddef>
#include <vector>

#include "config/run_config.hpp"

namespace pipespec::config {

inline constexpr std::size_t longest_label = 60;  ///< bytes

/// Gives every experiment without a label the shortest of "pipespec", "pipespec ngram+target", "pipespec ngram+target
/// window 16 ahead 64" and, where they differ in it, that with " in flight 4" that no other experiment would bear as
/// well; "pipespec #3", by its place, where that is longer than a label may be. Experiments that are the same in
/// everything end with the same label.
void fill_in_labels(std::vector<ExperimentConfig>& experiments, const std::vector<StageConfig>& stages);

}  // namespace pipespec::config
