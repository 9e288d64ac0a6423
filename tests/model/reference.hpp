/// LLaMA's forward pass as its paper writes it down, in double precision, one sequence, no cache, no kernels.
#pragma once

#include <span>
#include <vector>

#include "core/types.hpp"
#include "support/tiny_gguf.hpp"

namespace pipespec::testing {

/// The logits after every token: [tokens][vocabulary].
std::vector<std::vector<double>> reference_logits(const TinyGguf& gguf, std::span<const Token> tokens);

}  // namespace pipespec::testing
