/// Reads a folder as Hugging Face writes it as a model.
#pragma once

#include <filesystem>
#include <memory>

#include "model/checkpoint.hpp"

namespace pipespec::model {

/// Opens `folder`: `config.json` and the safetensors files. Every tensor is accounted for: one that the architecture
/// does not have is a UserError that names it.
std::shared_ptr<const Checkpoint> open_hf_checkpoint(const std::filesystem::path& folder);

/// The checkpoint that `config.json` describes, without the weights (Checkpoint::outline()).
std::shared_ptr<const Checkpoint> outline_hf_checkpoint(const std::filesystem::path& folder);

/// What `config.json` alone says.
Architecture read_hf_architecture(const std::filesystem::path& folder);

}  // namespace pipespec::model
