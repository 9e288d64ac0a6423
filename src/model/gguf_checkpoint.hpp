/// Reads a GGUF file as a model.
#pragma once

#include <filesystem>
#include <memory>

#include "io/gguf.hpp"
#include "model/checkpoint.hpp"

namespace pipespec::model {

/// Reads a GGUF file of the architecture `llama`, `qwen2` or `qwen3`. Every key under the architecture's name and every
/// tensor is accounted for: what would change the arithmetic and is not computed here (experts, scaled rotary
/// positions, other biases) is a UserError that names it.
std::shared_ptr<const Checkpoint> open_gguf_checkpoint(std::shared_ptr<const io::GgufFile> file);

/// Its architecture alone.
Architecture read_gguf_architecture(const std::filesystem::path& path);

}  // namespace pipespec::model
