/// Default labels of experiments.
#pragma once

#include <vector>

#include "config/run_config.hpp"

namespace pipespec::config {

/// Gives every experiment without a label the shortest of "pipespec", "pipespec ngram+target", "pipespec ngram+target
/// window 16 ahead 64" and, where they differ in it, that with " in flight 4" that no other experiment would bear as
/// well. Experiments that are the same in everything end with the same label.
void fill_in_labels(std::vector<ExperimentConfig>& experiments, const std::vector<StageConfig>& stages);

}  // namespace pipespec::config
