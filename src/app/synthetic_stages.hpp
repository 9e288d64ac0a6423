/// The stages of a configuration that stand where models would, as one chain.
#pragma once

#include <string>

#include "config/run_config.hpp"
#include "core/synthetic_text.hpp"

namespace pipespec::app {

/// What the synthetic stages say, in the order of the configuration: each agrees with the next of them, whichever of
/// them an experiment leaves out. Requires one.
SyntheticText synthetic_text(const config::RunConfig& config);

/// The place of stage `stage`, which is synthetic, among them.
int synthetic_place(const config::RunConfig& config, int stage);

/// "1000 tokens, 5 ms a pass and 0.1 ms a row, agreement 0.9"
std::string describe(const config::SyntheticConfig& synthetic);

}  // namespace pipespec::app
