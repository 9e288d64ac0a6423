#include "text/tokenizer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "io/printable.hpp"

namespace pipespec::text {

std::optional<std::string> vocabulary_difference(const Tokenizer& one, const Tokenizer& other) {
  const int common = std::min(one.vocabulary_size(), other.vocabulary_size());
  for (Token token = 0; token < common; ++token)
    if (one.token_text(token) != other.token_text(token))
      return fmt::format("token {} is \"{}\" in one and \"{}\" in the other", token,
                         io::printable(one.token_text(token)), io::printable(other.token_text(token)));
  if (one.vocabulary_size() == other.vocabulary_size()) return std::nullopt;
  return fmt::format("they have {} and {} tokens", one.vocabulary_size(), other.vocabulary_size());
}

}  // namespace pipespec::text
