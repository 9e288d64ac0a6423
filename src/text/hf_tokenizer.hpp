/// Tokenizers in a folder as Hugging Face writes it.
#pragma once

#include <filesystem>
#include <memory>

#include "text/tokenizer.hpp"

namespace pipespec::text {

/// Reads `tokenizer.json` where it is a BPE, or else `tokenizer.model` (SentencePiece), with what
/// `tokenizer_config.json`, `generation_config.json`, `config.json` and `chat_template.jinja` say of end tokens and the
/// chat form. A folder may hold only a tokenizer. UserErrors name the file, and what in it is not known by name.
std::unique_ptr<const Tokenizer> load_hf_tokenizer(const std::filesystem::path& folder);

}  // namespace pipespec::text
