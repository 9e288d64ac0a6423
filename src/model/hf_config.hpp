/// What a Hugging Face `config.json` says of a model's arithmetic.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "model/architecture.hpp"
#include "ops/weight_type.hpp"

namespace pipespec::model {

/// Reads the configuration of a LLaMA 2, 3, 3.1, 3.2, Qwen2, Qwen2.5 or Qwen3 model, in the classical spelling
/// (`rope_theta`, `rope_scaling`) and in that of transformers 5 (`rope_parameters`). Every key is accounted for: one
/// that is not known, and neither null nor false, is a UserError that names it, as it may change the arithmetic.
/// `source` is the file, for messages.
Architecture architecture_of(const nlohmann::json& config, const std::string& source);

/// The element type that the configuration says its weights have (`dtype`, `torch_dtype`); none where it is silent.
std::optional<ops::WeightType> weight_type_of(const nlohmann::json& config);

}  // namespace pipespec::model
