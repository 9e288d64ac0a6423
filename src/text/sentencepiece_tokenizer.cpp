#include "text/sentencepiece_tokenizer.hpp"

#include <fmt/format.h>
#include <sentencepiece_processor.h>

#include <algorithm>
#include <bit>
#include <cstdint>

#include "core/error.hpp"
#include "io/printable.hpp"
#include "text/sentencepiece_check.hpp"
#include "text/utf8.hpp"

namespace pipespec::text {

namespace {

constexpr std::string_view space_mark = "\xE2\x96\x81";  // ▁, U+2581

/// "<0x0A>" as its byte.
std::string byte_of(std::string_view piece) {
  const std::string digits(piece.substr(3, 2));
  return {static_cast<char>(std::stoi(digits, nullptr, 16))};
}

std::string with_spaces(std::string_view piece) {
  std::string text;
  while (!piece.empty()) {
    const bool is_space = piece.starts_with(space_mark);
    text += is_space ? ' ' : piece.front();
    piece.remove_prefix(is_space ? space_mark.size() : 1);
  }
  return text;
}

// Protocol buffers' wire format: a field is its number and kind, then a varint, four bytes, or a length and bytes.

void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void append_number(std::string& out, int field, std::uint64_t value) {
  append_varint(out, static_cast<std::uint64_t>(field) << 3);
  append_varint(out, value);
}

void append_bytes(std::string& out, int field, std::string_view bytes) {
  append_varint(out, static_cast<std::uint64_t>(field) << 3 | 2);
  append_varint(out, bytes.size());
  out += bytes;
}

void append_float(std::string& out, int field, float value) {
  append_varint(out, static_cast<std::uint64_t>(field) << 3 | 5);
  const auto bits = std::bit_cast<std::uint32_t>(value);
  for (int i = 0; i < 4; ++i) out += static_cast<char>(bits >> (8 * i));
}

}  // namespace

SentencePieceTokenizer::SentencePieceTokenizer(const SentencePieceDefinition& definition)
    : source_(definition.source),
      processor_(std::make_unique<sentencepiece::SentencePieceProcessor>()),
      end_tokens_(definition.end_tokens),
      chat_template_(definition.chat_template) {
  check_sentencepiece_model(definition.model, source_);
  const auto status = processor_->LoadFromSerializedProto(definition.model);
  validate(status.ok() && processor_->GetPieceSize() > 0, "{} is no SentencePiece model ({}): get the file again",
           source_, status.ok() ? "it has no pieces" : io::printable(status.error_message()));
  const int size = processor_->GetPieceSize();
  texts_.reserve(static_cast<std::size_t>(size));
  for (Token token = 0; token < size; ++token) {
    const std::string& piece = texts_.emplace_back(processor_->IdToPiece(token));
    bytes_.push_back(processor_->IsByte(token)      ? byte_of(piece)
                     : processor_->IsControl(token) ? piece
                                                    : with_spaces(piece));
  }
  for (Token token = 0; token < size; ++token) {
    if (processor_->IsControl(token)) control_.emplace(texts_[static_cast<std::size_t>(token)], token);
  }
  const std::vector<Token> probe = encode("a");
  adds_space_ = !probe.empty() && token_bytes(probe.front()).starts_with(' ');
  if (end_tokens_.empty() && processor_->eos_id() >= 0) end_tokens_ = {processor_->eos_id()};
}

SentencePieceTokenizer::~SentencePieceTokenizer() = default;

std::vector<Token> SentencePieceTokenizer::encode(std::string_view text) const {
  validate_utf8(text);
  std::vector<int> tokens;
  const auto status = processor_->Encode(text, &tokens);
  validate(status.ok(), "the text cannot be encoded by {} ({}): check the file", source_,
           io::printable(status.error_message()));
  return tokens;
}

std::string SentencePieceTokenizer::decode(std::span<const Token> tokens) const {
  std::string text;
  for (const Token token : tokens) text += token_bytes(token);
  const bool has_added = adds_space_ && !tokens.empty() && token_text(tokens.front()).starts_with(space_mark);
  return has_added ? text.substr(1) : text;
}

std::size_t SentencePieceTokenizer::checked(Token token) const {
  validate(token >= 0 && token < vocabulary_size(), "{} is no token of {} (it has {}): check the ids", token, source_,
           vocabulary_size());
  return static_cast<std::size_t>(token);
}

std::string_view SentencePieceTokenizer::token_bytes(Token token) const {
  return bytes_[checked(token)];
}

std::string_view SentencePieceTokenizer::token_text(Token token) const {
  return texts_[checked(token)];
}

bool SentencePieceTokenizer::is_special(Token token) const {
  return processor_->IsControl(static_cast<int>(checked(token)));
}

std::optional<Token> SentencePieceTokenizer::special_token(std::string_view text) const {
  const auto found = control_.find(text);
  return found == control_.end() ? std::nullopt : std::optional(found->second);
}

std::string serialize_sentencepiece_model(const std::vector<SentencePiece>& pieces, bool adds_space) {
  constexpr int bpe = 2;
  std::string model;
  for (const SentencePiece& piece : pieces) {  // ModelProto.pieces
    std::string entry;
    append_bytes(entry, 1, piece.text);
    append_float(entry, 2, piece.score);
    append_number(entry, 3, static_cast<std::uint64_t>(piece.type));
    append_bytes(model, 1, entry);
  }
  std::string trainer;
  append_number(trainer, 3, bpe);   // model_type
  append_number(trainer, 35, 1);    // byte_fallback
  append_bytes(model, 2, trainer);  // ModelProto.trainer_spec
  std::string normalizer;
  append_bytes(normalizer, 1, "identity");           // name
  append_number(normalizer, 3, adds_space ? 1 : 0);  // add_dummy_prefix
  append_number(normalizer, 4, 0);                   // remove_extra_whitespaces
  append_bytes(model, 3, normalizer);                // ModelProto.normalizer_spec
  return model;
}

}  // namespace pipespec::text
