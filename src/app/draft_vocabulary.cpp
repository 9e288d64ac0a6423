#include "app/draft_vocabulary.hpp"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/error.hpp"

namespace pipespec::app {
namespace {

std::vector<Token> first_tokens(int count, int vocabulary) {
  validate(count <= vocabulary, "draft_vocabulary {} (the model has {} tokens): use fewer, or remove the key", count,
           vocabulary);
  std::vector<Token> tokens(static_cast<std::size_t>(count));
  std::iota(tokens.begin(), tokens.end(), Token{0});
  return tokens;
}

std::vector<Token> listed_tokens(const std::string& path, int vocabulary) {
  std::ifstream file(path);
  validate(file.is_open(), "draft_vocabulary {} cannot be read (it is neither a number nor a file): check the path",
           path);
  const auto json = nlohmann::json::parse(file, nullptr, false);
  const auto is_token = [&](const nlohmann::json& id) {
    return id.is_number_unsigned() && id.get<std::uint64_t>() < static_cast<std::uint64_t>(vocabulary);
  };
  validate(json.is_array() && !json.empty() && std::ranges::all_of(json, is_token),
           "draft_vocabulary {} is not a JSON list of token ids (0 to {}): write one", path, vocabulary - 1);
  return json.get<std::vector<Token>>();
}

}  // namespace

std::vector<Token> draft_tokens(const config::DraftVocabulary& draft, int vocabulary,
                                std::span<const Token> end_tokens) {
  std::vector<Token> tokens =
      draft.first > 0 ? first_tokens(draft.first, vocabulary) : listed_tokens(draft.file, vocabulary);
  tokens.insert(tokens.end(), end_tokens.begin(), end_tokens.end());
  std::ranges::sort(tokens);
  const auto again = std::ranges::unique(tokens);
  tokens.erase(again.begin(), again.end());
  return tokens;
}

}  // namespace pipespec::app
