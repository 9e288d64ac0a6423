#include "text/bpe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <queue>

#include "core/error.hpp"
#include "io/printable.hpp"
#include "text/utf8.hpp"

namespace pipespec::text {
namespace {

/// GPT-2's alphabet: every byte as a printable character, so that vocabularies are text files. Printable Latin-1 bytes
/// are themselves, the others take the code points from 256 on.
class ByteAlphabet {
 public:
  ByteAlphabet() {
    int next = 256;
    for (int byte = 0; byte < 256; ++byte) {
      const bool printable =
          (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
      letters_[static_cast<std::size_t>(byte)] = utf8(printable ? byte : next++);
      bytes_.emplace(letters_[static_cast<std::size_t>(byte)], static_cast<char>(byte));
    }
  }

  std::string_view letter(std::size_t byte) const { return letters_[byte]; }

  /// The bytes that a spelled token stands for; a token with a character outside the alphabet stands for itself.
  std::string bytes_of(std::string_view spelled) const {
    std::string result;
    for (std::string_view rest = spelled; !rest.empty();) {
      const std::string_view letter = rest.substr(0, front_character(rest).bytes);
      const auto found = bytes_.find(letter);
      if (found == bytes_.end()) return std::string(spelled);
      result += found->second;
      rest.remove_prefix(letter.size());
    }
    return result;
  }

 private:
  static std::string utf8(int code_point) {  // all of the alphabet is below U+0800
    if (code_point < 0x80) return {static_cast<char>(code_point)};
    return {static_cast<char>(0xc0 | (code_point >> 6)), static_cast<char>(0x80 | (code_point & 0x3f))};
  }

  std::array<std::string, 256> letters_;
  std::unordered_map<std::string_view, char> bytes_;
};

/// "▁the" as " the".
std::string with_spaces(std::string_view spelled) {
  constexpr std::string_view mark = "\xE2\x96\x81";  // ▁, U+2581
  std::string text;
  while (!spelled.empty()) {
    const bool is_space = spelled.starts_with(mark);
    text += is_space ? ' ' : spelled.front();
    spelled.remove_prefix(is_space ? mark.size() : 1);
  }
  return text;
}

/// The name of a byte among characters, "<0x0A>".
std::string byte_name(std::size_t byte) {
  return fmt::format("<0x{:02X}>", byte);
}

std::uint64_t pair_key(Token left, Token right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}

}  // namespace

/// The tokens of one word while its pairs are merged: a doubly linked list over its units, and a queue of the pairs
/// that could be merged, so that a word of n units takes O(n log n). Reused from word to word.
class Bpe::Word {
 public:
  explicit Word(const Bpe& bpe) : bpe_(bpe) {}

  /// Appends the tokens of `word` to `tokens`.
  void encode(std::string_view word, std::vector<Token>& tokens) {
    symbols_.clear();
    ends_unknown_ = false;
    while (!word.empty()) {
      const std::size_t size = bpe_.units_ == BpeUnits::bytes ? 1 : front_character(word).bytes;
      add_unit(word.substr(0, size));
      word.remove_prefix(size);
    }
    if (symbols_.empty()) return;
    symbols_.back().next = none;
    for (int left = 0; left != none; left = at(left).next) offer(left);
    merge_all();
    for (int place = 0; place != none; place = at(place).next) tokens.push_back(at(place).token);
  }

 private:
  static constexpr int none = -1;
  struct Symbol {
    Token token;  // none: merged into the one before
    int previous, next;
  };
  struct Candidate {
    std::int32_t rank;
    int left;
    Token result;
    friend bool operator>(const Candidate& a, const Candidate& b) {
      return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
    }
  };

  Symbol& at(int place) { return symbols_[static_cast<std::size_t>(place)]; }

  const Merge* merge_at(int left) {
    if (left == none || at(left).token == none || at(left).next == none) return nullptr;
    return bpe_.find_merge(at(left).token, at(at(left).next).token);
  }

  void add_unit(std::string_view unit) {
    const auto byte_token = [&](char byte) { return bpe_.byte_tokens_[static_cast<unsigned char>(byte)]; };
    const auto character = bpe_.characters_.find(unit);
    if (character != bpe_.characters_.end()) {
      add(character->second);
    } else if (std::ranges::all_of(unit, [&](char byte) { return byte_token(byte) != none; })) {
      for (const char byte : unit) add(byte_token(byte));
    } else if (bpe_.unknown_ && !(bpe_.fuse_unknown_ && ends_unknown_)) {
      add(*bpe_.unknown_);
      ends_unknown_ = true;
    }
  }

  void add(Token token) {
    const int place = static_cast<int>(symbols_.size());
    symbols_.push_back({token, place - 1, place + 1});
    ends_unknown_ = false;
  }

  void offer(int left) {
    if (const Merge* merge = merge_at(left)) candidates_.push({merge->rank, left, merge->result});
  }

  void merge_all() {
    while (!candidates_.empty()) {
      const Candidate best = candidates_.top();
      candidates_.pop();
      const Merge* merge = merge_at(best.left);
      if (merge == nullptr || merge->result != best.result)
        continue;  // its neighbours have changed since it was offered
      Symbol& left = at(best.left);
      Symbol& right = at(left.next);
      left.token = best.result;
      left.next = right.next;
      right.token = none;
      if (left.next != none) at(left.next).previous = best.left;
      offer(left.previous);
      offer(best.left);
    }
  }

  const Bpe& bpe_;
  std::vector<Symbol> symbols_;
  bool ends_unknown_ = false;  // the last symbol stands for something unknown
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates_;
};

Bpe::Bpe(const BpeDefinition& definition)
    : source_(definition.source),
      texts_(definition.tokens.begin(), definition.tokens.end()),
      kinds_(definition.kinds),
      units_(definition.units),
      unknown_(definition.unknown),
      fuse_unknown_(definition.fuse_unknown),
      strips_space_(definition.strips_space),
      normalizer_(definition.normalizer),
      spacing_(definition.spacing),
      pre_tokenizer_(definition.patterns, definition.source),
      end_tokens_(definition.end_tokens),
      chat_template_(definition.chat_template) {
  expect(kinds_.size() == texts_.size(), "every token has a kind");
  expect(std::ranges::is_sorted(end_tokens_), "the end tokens are ascending");
  std::unordered_map<std::string_view, Token> ids;
  for (std::size_t i = 0; i < texts_.size(); ++i) ids.emplace(texts_[i], static_cast<Token>(i));
  add_units(definition, ids);
  add_special(definition);
  add_merges(definition, ids);
  for (std::size_t i = 0; definition.ignore_merges && i < bytes_.size(); ++i)
    if (kinds_[i] == TokenKind::normal)
      whole_words_.emplace(units_ == BpeUnits::bytes ? bytes_[i] : texts_[i], static_cast<Token>(i));
}

/// What the tokens stand for, and those that a word consists of at first.
void Bpe::add_units(const BpeDefinition& definition, const std::unordered_map<std::string_view, Token>& ids) {
  const ByteAlphabet alphabet;
  const bool are_bytes = units_ == BpeUnits::bytes;
  for (std::size_t i = 0; i < texts_.size(); ++i) {
    const std::string& text = texts_[i];
    const bool is_spelled = kinds_[i] == TokenKind::normal || definition.spells_added_tokens;
    bytes_.push_back(!is_spelled ? text : are_bytes ? alphabet.bytes_of(text) : with_spaces(text));
    const bool is_character = !text.empty() && front_character(text).bytes == text.size();
    if (!are_bytes && is_character && kinds_[i] != TokenKind::control) characters_.emplace(text, static_cast<Token>(i));
  }
  for (std::size_t byte = 0; byte < byte_tokens_.size(); ++byte) {
    const auto found = are_bytes ? ids.find(alphabet.letter(byte)) : ids.find(byte_name(byte));
    const bool is_there = found != ids.end() && (are_bytes || definition.byte_fallback) && !is_special(found->second);
    byte_tokens_[byte] = is_there ? found->second : -1;
    if (is_there && !are_bytes) bytes_[static_cast<std::size_t>(found->second)] = static_cast<char>(byte);
  }
}

void Bpe::add_special(const BpeDefinition& definition) {
  for (std::size_t i = 0; i < texts_.size(); ++i) {
    if (kinds_[i] == TokenKind::normal || texts_[i].empty()) continue;
    const TokenMatch match = definition.matches.empty() ? TokenMatch() : definition.matches[i];
    const auto token = static_cast<Token>(i);
    if (!match.in_rewritten) {
      special_.add(texts_[i], token, kinds_[i], match);
      continue;
    }
    const std::string rewritten = rewrite(texts_[i], normalizer_, true);
    special_in_rewritten_.add(rewritten, token, kinds_[i], match);
    bytes_[i] = units_ == BpeUnits::bytes ? rewritten : with_spaces(rewritten);
  }
}

void Bpe::add_merges(const BpeDefinition& definition, const std::unordered_map<std::string_view, Token>& ids) {
  merges_.reserve(definition.merges.size());
  std::string joined;
  for (std::size_t i = 0; i < definition.merges.size(); ++i) {
    const std::string_view merge = definition.merges[i];
    const std::size_t space = std::min(merge.find(' ', 1), merge.size());  // the left token is never empty
    const std::string_view left = merge.substr(0, space), right = merge.substr(std::min(space + 1, merge.size()));
    joined.assign(left).append(right);
    const auto left_id = ids.find(left), right_id = ids.find(right), joined_id = ids.find(joined);
    validate(left_id != ids.end() && right_id != ids.end() && joined_id != ids.end(),
             "{}: merge {} (\"{}\") is not made of tokens of the vocabulary: get the file again", source_, i,
             io::printable(merge));
    if (is_special(joined_id->second)) continue;  // a user's text must not become one
    merges_.emplace(pair_key(left_id->second, right_id->second),
                    Merge{static_cast<std::int32_t>(i), joined_id->second});
  }
}

const Bpe::Merge* Bpe::find_merge(Token left, Token right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

std::vector<Token> Bpe::encode(std::string_view text, SpecialTokens::Recognise which) const {
  validate_utf8(text);
  std::vector<Token> tokens;
  Word word(*this);
  for (const SpecialTokens::Part& part : special_.split(text, which)) {
    if (part.token) {
      tokens.push_back(*part.token);
      continue;
    }
    const bool is_first = part.text.data() == text.data();
    const std::string rewritten = rewrite(part.text, normalizer_, is_first);
    for (const SpecialTokens::Part& inner : special_in_rewritten_.split(rewritten, which)) {
      if (inner.token)
        tokens.push_back(*inner.token);
      else
        encode_words(inner.text, is_first && inner.text.data() == rewritten.data(), word, tokens);
    }
  }
  return tokens;
}

void Bpe::encode_words(std::string_view text, bool is_first, Word& word, std::vector<Token>& tokens) const {
  const std::string spaced = rewrite(text, spacing_, is_first);
  for (const std::string_view piece : pre_tokenizer_.split(spaced)) {
    const auto whole = whole_words_.find(piece);
    if (whole != whole_words_.end())
      tokens.push_back(whole->second);
    else
      word.encode(piece, tokens);
  }
}

std::vector<Token> Bpe::encode(std::string_view text) const {
  return encode(text, SpecialTokens::Recognise::all);
}

std::vector<Token> Bpe::encode_plain(std::string_view text) const {
  return encode(text, SpecialTokens::Recognise::plain);
}

std::string Bpe::decode(std::span<const Token> tokens) const {
  std::string text;
  for (const Token token : tokens) text += token_bytes(token);
  return strips_space_ && text.starts_with(' ') ? text.substr(1) : text;
}

std::optional<Token> Bpe::special_token(std::string_view text) const {
  const auto found = special_.find(text);
  return found ? found : special_in_rewritten_.find(rewrite(text, normalizer_, true));
}

std::size_t Bpe::checked(Token token) const {
  validate(token >= 0 && token < vocabulary_size(), "{} is no token of {} (it has {}): check the ids", token, source_,
           vocabulary_size());
  return static_cast<std::size_t>(token);
}

std::string_view Bpe::token_bytes(Token token) const {
  return bytes_[checked(token)];
}

std::string_view Bpe::token_text(Token token) const {
  return texts_[checked(token)];
}

bool Bpe::is_special(Token token) const {
  return kinds_[checked(token)] == TokenKind::control;
}

}  // namespace pipespec::text
