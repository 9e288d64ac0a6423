/// Reads a GGUF file as a model.
#pragma once

#include <filesystem>
#include <memory>

#include "model/checkpoint.hpp"

namespace pipespec::model {

/// Opens a GGUF file of the architecture `llama`. Every `llama.*` key and every tensor is accounted for: what would
/// change the arithmetic and is not computed here (experts, scaled rotary positions, biases) is a UserError that names
/// it.
std::shared_ptr<const Checkpoint> open_gguf_checkpoint(const std::filesystem::path& path);

}  // namespace pipespec::model
