/// Work for a tokenizer whose files a fuzz target has made: broken merges and vocabularies strike only when it is used.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "fuzz/fuzz_target.hpp"
#include "text/tokenizer.hpp"

namespace pipespec::testing {

/// Encodes a fixed text and one made of the tokenizer's own first tokens, and decodes both again.
inline void round_trip(const text::Tokenizer& tokenizer) {
  std::vector<Token> first(static_cast<std::size_t>(std::min(tokenizer.vocabulary_size(), 64)));
  for (std::size_t i = 0; i < first.size(); ++i) first[i] = static_cast<Token>(i);
  for (const std::string& text :
       {std::string("Hello, W\u00f6rld's  12 \u2581<s>\n\n e\u0301"), tokenizer.decode(first)}) {
    read_or_refuse_in_one_line([&] {
      tokenizer.decode(tokenizer.encode(text));
      tokenizer.decode(tokenizer.encode_plain(text));
    });
  }
}

}  // namespace pipespec::testing
