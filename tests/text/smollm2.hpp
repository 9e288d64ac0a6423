/// SmolLM2's tokenizer, as the shipped drafter holds it.
#pragma once

#include <memory>

#include "text/tokenizer.hpp"

namespace pipespec::testing {

inline constexpr auto smollm2_path = PIPESPEC_SOURCE_DIR "/datasets/smollm2-draft-15m-q4_0.gguf";

/// Loaded once for all tests of a process.
inline const text::Tokenizer& smollm2() {
  static const auto tokenizer = text::load_tokenizer(smollm2_path);
  return *tokenizer;
}

}  // namespace pipespec::testing
