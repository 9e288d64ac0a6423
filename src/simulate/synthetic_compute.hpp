/// Synthetic stages in a simulation.
#pragma once

#include "core/synthetic_text.hpp"
#include "simulate/pipeline.hpp"

namespace pipespec::simulate {

/// The stage `stage` of `text`: the same tokens as those of model/synthetic_model.hpp.
Compute synthetic_compute(SyntheticText text, int stage);

}  // namespace pipespec::simulate
