#include "text/gguf_tokenizer.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "io/printable.hpp"
#include "text/bpe.hpp"
#include "text/sentencepiece_tokenizer.hpp"

namespace pipespec::text {
namespace {

/// GGUF's numbers for what a token is (llama.h, llama_token_type): all but these two are found by merges, or not at
/// all.
constexpr std::int64_t control_type = 3;
constexpr std::int64_t user_defined_type = 4;

TokenKind kind_of(std::int64_t type) {
  if (type == control_type) return TokenKind::control;
  return type == user_defined_type ? TokenKind::user_defined : TokenKind::normal;
}

std::vector<TokenKind> token_kinds(const io::GgufFile& file, std::size_t vocabulary) {
  const auto types = file.find<std::vector<std::int64_t>>("tokenizer.ggml.token_type");
  if (!types) return std::vector<TokenKind>(vocabulary, TokenKind::normal);
  validate(types->size() == vocabulary, "{} has {} tokens but {} token types: get the file again", file.path().string(),
           vocabulary, types->size());
  std::vector<TokenKind> kinds;
  for (const std::int64_t type : *types) kinds.push_back(kind_of(type));
  return kinds;
}

/// The tokens that end a text, a turn or a message; models name one to three of them.
std::vector<Token> end_tokens(const io::GgufFile& file, std::size_t vocabulary) {
  std::vector<Token> tokens;
  for (const std::string_view key :
       {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    const auto id = file.find<std::int64_t>(key);
    if (!id) continue;
    validate(*id >= 0 && *id < static_cast<std::int64_t>(vocabulary),
             "{}: {} is {}, beyond the vocabulary of {} tokens: get the file again", file.path().string(), key, *id,
             vocabulary);
    tokens.push_back(static_cast<Token>(*id));
  }
  validate(!tokens.empty(), "{} names no end token (tokenizer.ggml.eos_token_id is missing): get the file again",
           file.path().string());
  std::ranges::sort(tokens);
  tokens.erase(std::ranges::unique(tokens).begin(), tokens.end());
  return tokens;
}

}  // namespace

namespace {

std::unique_ptr<const Tokenizer> make_bpe(const io::GgufFile& file) {
  BpeDefinition definition;
  definition.source = file.path().string();
  const NamedPreTokenizer& pre_tokenizer =
      gguf_pre_tokenizer(file.find<std::string_view>("tokenizer.ggml.pre").value_or("default"), definition.source);
  definition.patterns = pre_tokenizer.patterns;
  definition.ignore_merges = pre_tokenizer.ignore_merges;
  definition.tokens = file.get<std::vector<std::string_view>>("tokenizer.ggml.tokens");
  definition.kinds = token_kinds(file, definition.tokens.size());
  definition.merges = file.get<std::vector<std::string_view>>("tokenizer.ggml.merges");
  definition.end_tokens = end_tokens(file, definition.tokens.size());
  definition.chat_template = file.find<std::string_view>("tokenizer.chat_template").value_or("");
  return std::make_unique<Bpe>(definition);
}

std::unique_ptr<const Tokenizer> make_sentencepiece(const io::GgufFile& file) {
  const std::string source = file.path().string();
  const auto tokens = file.get<std::vector<std::string_view>>("tokenizer.ggml.tokens");
  const auto scores = file.get<std::vector<double>>("tokenizer.ggml.scores");
  const auto types = file.get<std::vector<std::int64_t>>("tokenizer.ggml.token_type");
  validate(scores.size() == tokens.size() && types.size() == tokens.size(),
           "{} has {} tokens, {} scores and {} token types: get the file again", source, tokens.size(), scores.size(),
           types.size());
  std::vector<SentencePiece> pieces;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    validate(types[i] >= 1 && types[i] <= 6, "{}: token {} is of the unknown type {}: get the file again", source, i,
             types[i]);
    pieces.push_back({tokens[i], static_cast<float>(scores[i]), static_cast<int>(types[i])});
  }
  const bool adds_space = file.find<bool>("tokenizer.ggml.add_space_prefix").value_or(true);
  const std::string model = serialize_sentencepiece_model(pieces, adds_space);
  return std::make_unique<SentencePieceTokenizer>(
      SentencePieceDefinition{source, model, end_tokens(file, tokens.size()),
                              std::string(file.find<std::string_view>("tokenizer.chat_template").value_or(""))});
}

}  // namespace

std::unique_ptr<const Tokenizer> make_tokenizer(const io::GgufFile& file) {
  const auto model = file.get<std::string_view>("tokenizer.ggml.model");
  if (model == "gpt2") return make_bpe(file);
  if (model == "llama") return make_sentencepiece(file);
  reject("{}: the tokenizer model {} is not supported (known: gpt2, llama): use a model of another family",
         file.path().string(), io::printable(model));
}

}  // namespace pipespec::text
