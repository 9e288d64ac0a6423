/// Tokenizers stored in GGUF files.
#pragma once

#include <memory>

#include "io/gguf.hpp"
#include "text/tokenizer.hpp"

namespace pipespec::text {

/// The tokenizer of an open GGUF file, which need not outlive it. UserErrors name the file and what is missing, unknown
/// or contradicts itself.
std::unique_ptr<const Tokenizer> make_tokenizer(const io::GgufFile& file);

}  // namespace pipespec::text
