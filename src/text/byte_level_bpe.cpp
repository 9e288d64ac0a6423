#include "text/byte_level_bpe.hpp"

#include <algorithm>
#include <queue>

#include "core/error.hpp"
#include "io/printable.hpp"
#include "text/normalize.hpp"
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

std::uint64_t pair_key(Token left, Token right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}

}  // namespace

/// The tokens of one word while its pairs are merged: a doubly linked list over its bytes, and a queue of the pairs
/// that could be merged, so that a word of n bytes takes O(n log n). Reused from word to word.
class ByteLevelBpe::Word {
 public:
  explicit Word(const ByteLevelBpe& bpe) : bpe_(bpe) {}

  /// Appends the tokens of `word` to `tokens`.
  void encode(std::string_view word, std::vector<Token>& tokens) {
    symbols_.clear();
    for (const char byte : word) {
      const Token token = bpe_.byte_tokens_[static_cast<unsigned char>(byte)];
      if (token < 0) continue;
      const int place = static_cast<int>(symbols_.size());
      symbols_.push_back({token, place - 1, place + 1});
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

  const ByteLevelBpe& bpe_;
  std::vector<Symbol> symbols_;
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates_;
};

ByteLevelBpe::ByteLevelBpe(const BpeDefinition& definition)
    : source_(definition.source),
      texts_(definition.tokens.begin(), definition.tokens.end()),
      kinds_(definition.kinds),
      pre_tokenizer_(definition.patterns, definition.source),
      end_tokens_(definition.end_tokens),
      chat_template_(definition.chat_template) {
  expect(kinds_.size() == texts_.size(), "every token has a kind");
  expect(std::ranges::is_sorted(end_tokens_), "the end tokens are ascending");
  for (const Token token : end_tokens_) checked(token);
  const ByteAlphabet alphabet;
  std::unordered_map<std::string_view, Token> ids;
  for (std::size_t i = 0; i < texts_.size(); ++i) {
    const auto token = static_cast<Token>(i);
    const bool normal = kinds_[i] == TokenKind::normal;
    ids.emplace(texts_[i], token);
    bytes_.push_back(normal ? alphabet.bytes_of(texts_[i]) : texts_[i]);
    if (!normal && !texts_[i].empty()) special_.add(texts_[i], token, kinds_[i]);
  }
  for (std::size_t byte = 0; byte < byte_tokens_.size(); ++byte) {
    const auto found = ids.find(alphabet.letter(byte));
    byte_tokens_[byte] = found == ids.end() ? -1 : found->second;
  }
  add_merges(definition, ids);
  normalization_ = definition.normalization;
  for (std::size_t i = 0; definition.ignore_merges && i < bytes_.size(); ++i) {
    if (kinds_[i] == TokenKind::normal) whole_words_.emplace(bytes_[i], static_cast<Token>(i));
  }
}

void ByteLevelBpe::add_merges(const BpeDefinition& definition, const std::unordered_map<std::string_view, Token>& ids) {
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
    merges_.emplace(pair_key(left_id->second, right_id->second),
                    Merge{static_cast<std::int32_t>(i), joined_id->second});
  }
}

const ByteLevelBpe::Merge* ByteLevelBpe::find_merge(Token left, Token right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

std::vector<Token> ByteLevelBpe::encode(std::string_view text, SpecialTokens::Recognise which) const {
  validate_utf8(text);
  std::vector<Token> tokens;
  Word word(*this);
  for (const SpecialTokens::Part& part : special_.split(text, which)) {
    if (part.token) {
      tokens.push_back(*part.token);
    } else {
      const std::string normal = normalization_ == Normalization::nfc ? to_nfc(part.text) : std::string(part.text);
      for (const std::string_view piece : pre_tokenizer_.split(normal)) {
        const auto whole = whole_words_.find(piece);
        if (whole != whole_words_.end()) {
          tokens.push_back(whole->second);
        } else {
          word.encode(piece, tokens);
        }
      }
    }
  }
  return tokens;
}

std::vector<Token> ByteLevelBpe::encode(std::string_view text) const {
  return encode(text, SpecialTokens::Recognise::all);
}

std::vector<Token> ByteLevelBpe::encode_plain(std::string_view text) const {
  return encode(text, SpecialTokens::Recognise::plain);
}

std::string ByteLevelBpe::decode(std::span<const Token> tokens) const {
  std::string text;
  for (const Token token : tokens) text += token_bytes(token);
  return text;
}

std::size_t ByteLevelBpe::checked(Token token) const {
  validate(token >= 0 && token < vocabulary_size(), "{} is no token of {} (it has {}): check the ids", token, source_,
           vocabulary_size());
  return static_cast<std::size_t>(token);
}

std::string_view ByteLevelBpe::token_bytes(Token token) const {
  return bytes_[checked(token)];
}

std::string_view ByteLevelBpe::token_text(Token token) const {
  return texts_[checked(token)];
}

bool ByteLevelBpe::is_special(Token token) const {
  return kinds_[checked(token)] == TokenKind::control;
}

}  // namespace pipespec::text
