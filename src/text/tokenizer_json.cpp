#include "text/tokenizer_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "io/printable.hpp"
#include "text/byte_level_bpe.hpp"
#include "text/json_members.hpp"

namespace pipespec::text {

namespace {

using nlohmann::json;

/// A byte-level BPE tokenizer.json, read into what ByteLevelBpe takes.
class TokenizerJson {
 public:
  TokenizerJson(const json& root, const std::string& source) : root_(root), source_(source) {}

  std::unique_ptr<const Tokenizer> make(VocabularyUse use) {
    read_model();
    read_added_tokens();
    read_normalizer();
    if (const json* step = find(root_, "pre_tokenizer")) read_pre_tokenizer(*step);
    BpeDefinition definition;
    definition.source = source_;
    definition.tokens.assign(tokens_.begin(), tokens_.end());
    definition.kinds = kinds_;
    definition.merges.assign(merges_.begin(), merges_.end());
    definition.patterns = patterns_;
    definition.ignore_merges = ignore_merges_;
    definition.normalization = normalization_;
    if (use.end_tokens.empty()) {
      const auto found = std::ranges::find(tokens_, use.end_text);
      if (!use.end_text.empty() && found != tokens_.end())
        use.end_tokens = {static_cast<Token>(found - tokens_.begin())};
    }
    definition.end_tokens = std::move(use.end_tokens);
    definition.chat_template = use.chat_template;
    return std::make_unique<ByteLevelBpe>(definition);
  }

 private:
  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    reject("{}: {}: get the file again", source_, fmt::format(format, std::forward<Args>(args)...));
  }
  [[noreturn]] void unsupported(const std::string& what) const {
    reject("{}: {} is not supported: use a model of another family", source_, what);
  }

  Token id_of(const json& value, const std::string& text) const {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= std::uint64_t{largest_token})
      fail("the id of the token \"{}\" is {}", io::printable(text), io::printable(value.dump()));
    return value.get<Token>();
  }

  void set_token(Token token, const std::string& text, TokenKind kind) {
    const auto place = static_cast<std::size_t>(token);
    if (place >= tokens_.size()) {
      // Ids have few gaps, so that damaged ones do not take the memory of sixteen million tokens.
      constexpr std::size_t most_missing = 1 << 16;
      missing_ += place - tokens_.size();
      if (missing_ > most_missing)
        fail("the token \"{}\" has the id {}, and {} ids before it have no token", io::printable(text), token,
             missing_);
      tokens_.resize(place + 1);
      kinds_.resize(place + 1, TokenKind::normal);
    }
    tokens_[place] = text;
    kinds_[place] = kind;
  }

  void read_model() {
    const json* model = find(root_, "model");
    const json* vocabulary = model != nullptr ? find(*model, "vocab") : nullptr;
    if (vocabulary == nullptr || !vocabulary->is_object() || vocabulary->empty()) fail("it has no vocabulary");
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      const std::string mark = text_at(*model, key);
      if (!mark.empty()) unsupported(fmt::format("model.{} (\"{}\")", key, io::printable(mark)));
    }
    if (const json* dropout = find(*model, "dropout"); dropout != nullptr && *dropout != 0.0)
      unsupported("model.dropout");
    ignore_merges_ = is_true(*model, "ignore_merges");
    std::vector<std::pair<Token, std::string>> entries;
    for (const auto& [text, id] : vocabulary->items()) entries.emplace_back(id_of(id, text), text);
    std::ranges::sort(entries);
    for (const auto& [id, text] : entries) {
      if (static_cast<std::size_t>(id) < tokens_.size()) fail("two tokens have the id {}", id);
      set_token(id, text, TokenKind::normal);
    }
    const json* merges = find(*model, "merges");
    if (merges == nullptr || !merges->is_array()) fail("it has no merges");
    for (const json& merge : *merges) merges_.push_back(merge_of(merge));
  }

  /// "a b", or ["a", "b"].
  std::string merge_of(const json& merge) const {
    if (merge.is_string()) return merge.get<std::string>();
    const bool is_pair = merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string();
    if (!is_pair) fail("{} is no merge", io::printable(merge.dump()));
    return merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  }

  void read_added_tokens() {
    const json* added = find(root_, "added_tokens");
    if (added == nullptr) return;
    if (!added->is_array()) fail("added_tokens is no list");
    std::vector<std::pair<Token, const json*>> entries;
    for (const json& entry : *added) {
      const std::string text = text_at(entry, "content");
      const json* id = find(entry, "id");
      if (text.empty() || id == nullptr) fail("an added token has no content or no id");
      entries.emplace_back(id_of(*id, text), &entry);
    }
    std::ranges::sort(entries, {}, &std::pair<Token, const json*>::first);
    for (const auto& [id, entry] : entries) {
      const std::string text = text_at(*entry, "content");
      for (const char* key : {"single_word", "lstrip", "rstrip"}) {
        if (is_true(*entry, key)) unsupported(fmt::format("{} of the added token \"{}\"", key, io::printable(text)));
      }
      set_token(id, text, is_true(*entry, "special") ? TokenKind::control : TokenKind::user_defined);
    }
  }

  void read_normalizer() {
    const json* normalizer = find(root_, "normalizer");
    if (normalizer == nullptr) return;
    const std::string type = text_at(*normalizer, "type");
    const json* steps = find(*normalizer, "normalizers");
    if (type == "Sequence" && steps != nullptr && steps->is_array() && steps->empty()) return;
    if (type != "NFC") unsupported(fmt::format("the normalizer {}", io::printable(type)));
    normalization_ = Normalization::nfc;
  }

  void read_pre_tokenizer(const json& step) {
    const std::string type = text_at(step, "type");
    if (type == "Sequence") {
      const json* steps = find(step, "pretokenizers");
      if (steps == nullptr || !steps->is_array()) fail("a pre_tokenizer of the type Sequence has no pretokenizers");
      for (const json& each : *steps) read_pre_tokenizer(each);
    } else if (type == "Split") {
      const json* pattern = find(step, "pattern");
      const bool is_plain = pattern != nullptr && text_at(step, "behavior") == "Isolated" && !is_true(step, "invert");
      const std::string expression = is_plain ? text_at(*pattern, "Regex") : "";
      if (expression.empty()) unsupported("a Split that is not by a Regex, Isolated and not inverted");
      patterns_.push_back(pcre_of_oniguruma(expression));
    } else if (type == "ByteLevel") {
      if (is_true(step, "add_prefix_space")) unsupported("add_prefix_space of ByteLevel");
      const json* use_regex = find(step, "use_regex");
      if (use_regex == nullptr || *use_regex == true) patterns_.emplace_back(gpt2_pattern());
    } else if (type == "Digits") {
      patterns_.emplace_back(is_true(step, "individual_digits") ? R"(\p{N})" : R"(\p{N}+)");
    } else {
      unsupported(fmt::format("the pre_tokenizer {}", io::printable(type)));
    }
  }

  const json& root_;
  const std::string& source_;
  std::vector<std::string> tokens_;
  std::size_t missing_ = 0;  // of tokens_: ids that are nobody's
  std::vector<TokenKind> kinds_;
  std::vector<std::string> merges_;
  std::vector<std::string> patterns_;
  bool ignore_merges_ = false;
  Normalization normalization_ = Normalization::none;
};

}  // namespace

bool is_byte_level_bpe(const json& root) {
  const json* model = find(root, "model");
  const json* steps = find(root, "pre_tokenizer");
  return model != nullptr && text_at(*model, "type") == "BPE" && !is_true(*model, "byte_fallback") &&
         steps != nullptr && steps->dump().find("\"ByteLevel\"") != std::string::npos;
}

std::unique_ptr<const Tokenizer> make_bpe_tokenizer(const json& root, const std::string& source, VocabularyUse use) {
  return TokenizerJson(root, source).make(std::move(use));
}

}  // namespace pipespec::text
