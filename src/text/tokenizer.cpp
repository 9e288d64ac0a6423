#include "text/tokenizer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "io/printable.hpp"
#include "text/gguf_tokenizer.hpp"
#include "text/hf_tokenizer.hpp"

namespace pipespec::text {

std::unique_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& model) {
  return std::filesystem::is_directory(model) ? load_hf_tokenizer(model) : make_tokenizer(io::GgufFile(model));
}

bool has_tokenizer(const std::filesystem::path& model) {
  return !std::filesystem::is_directory(model) || std::filesystem::exists(model / "tokenizer.json") ||
         std::filesystem::exists(model / "tokenizer.model");
}

std::optional<std::string> vocabulary_difference(const Tokenizer& drafter, const Tokenizer& target) {
  const int common = std::min(drafter.vocabulary_size(), target.vocabulary_size());
  for (Token token = 0; token < common; ++token)
    if (drafter.token_text(token) != target.token_text(token))
      return fmt::format("token {} is \"{}\" in one and \"{}\" in the other", token,
                         io::printable(drafter.token_text(token)), io::printable(target.token_text(token)));
  if (drafter.vocabulary_size() <= target.vocabulary_size()) return std::nullopt;
  return fmt::format("the drafter has {} tokens and the target {}", drafter.vocabulary_size(),
                     target.vocabulary_size());
}

}  // namespace pipespec::text
