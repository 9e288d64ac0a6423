/// The weight formats as the command line names them.
#pragma once

#include <string>

#include "core/error.hpp"
#include "model/weights.hpp"

namespace pipespec::app {

inline model::WeightFormat weight_format_from_name(const std::string& name) {
  if (name == "native") return model::WeightFormat::native;
  if (name == "bf16") return model::WeightFormat::bf16;
  if (name == "f32") return model::WeightFormat::f32;
  reject("--weights {} (unknown): native, bf16 or f32", name);
}

}  // namespace pipespec::app
