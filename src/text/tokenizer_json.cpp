#include "text/tokenizer_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "io/printable.hpp"
#include "text/bpe.hpp"
#include "text/json_members.hpp"

namespace pipespec::text {

namespace {

using nlohmann::json;

constexpr std::string_view space_mark = "\xE2\x96\x81";  // ▁, U+2581

/// Whether its units are bytes; those of the others (LLaMA 2's) are characters.
bool is_byte_level(const json& root) {
  const json* steps = find(root, "pre_tokenizer");
  return steps != nullptr && steps->dump().find("\"ByteLevel\"") != std::string::npos;
}

/// A BPE tokenizer.json, read into what Bpe takes.
class TokenizerJson {
 public:
  TokenizerJson(const json& root, const std::string& source) : root_(root), source_(source) {}

  std::unique_ptr<const Tokenizer> make(VocabularyUse use) {
    read_model();
    read_added_tokens();
    if (const json* step = find(root_, "normalizer")) read_normalizer(*step);
    definition_.units = is_byte_level(root_) ? BpeUnits::bytes : BpeUnits::characters;
    if (const json* step = find(root_, "pre_tokenizer")) read_pre_tokenizer(*step);
    if (const json* step = find(root_, "decoder")) read_decoder(*step);
    BpeDefinition definition = std::move(definition_);
    definition.source = source_;
    definition.spells_added_tokens = true;  // decoders make no difference between tokens
    definition.tokens.assign(tokens_.begin(), tokens_.end());
    definition.merges.assign(merges_.begin(), merges_.end());
    if (definition.units == BpeUnits::bytes && definition.byte_fallback)
      unsupported("model.byte_fallback beside ByteLevel");
    if (use.end_tokens.empty()) {
      const auto found = std::ranges::find(tokens_, use.end_text);
      if (!use.end_text.empty() && found != tokens_.end())
        use.end_tokens = {static_cast<Token>(found - tokens_.begin())};
    }
    definition.end_tokens = std::move(use.end_tokens);
    definition.chat_template = use.chat_template;
    return std::make_unique<Bpe>(definition);
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
      definition_.kinds.resize(place + 1, TokenKind::normal);
      definition_.matches.resize(place + 1);
    }
    tokens_[place] = text;
    definition_.kinds[place] = kind;
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
    definition_.ignore_merges = is_true(*model, "ignore_merges");
    definition_.byte_fallback = is_true(*model, "byte_fallback");
    definition_.fuse_unknown = is_true(*model, "fuse_unk");
    std::vector<std::pair<Token, std::string>> entries;
    for (const auto& [text, id] : vocabulary->items()) entries.emplace_back(id_of(id, text), text);
    std::ranges::sort(entries);
    for (const auto& [id, text] : entries) {
      if (static_cast<std::size_t>(id) < tokens_.size()) fail("two tokens have the id {}", id);
      set_token(id, text, TokenKind::normal);
    }
    const std::string unknown = text_at(*model, "unk_token");
    if (const json* id = unknown.empty() ? nullptr : find(*vocabulary, unknown.c_str()))
      definition_.unknown = id_of(*id, unknown);
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
      set_token(id, text, is_true(*entry, "special") ? TokenKind::control : TokenKind::user_defined);
      definition_.matches[static_cast<std::size_t>(id)] = {is_true(*entry, "lstrip"), is_true(*entry, "rstrip"),
                                                           is_true(*entry, "single_word"),
                                                           is_true(*entry, "normalized")};
    }
  }

  void read_normalizer(const json& step) {
    const std::string type = text_at(step, "type");
    auto& steps = definition_.normalizer;
    if (type == "Sequence") {
      for_each_step(step, "normalizers", [&](const json& each) { read_normalizer(each); });
    } else if (type == "NFC") {
      steps.push_back({Rewriting::Kind::nfc});
    } else if (type == "NFD") {
      steps.push_back({Rewriting::Kind::nfd});
    } else if (type == "NFKC") {
      steps.push_back({Rewriting::Kind::nfkc});
    } else if (type == "NFKD") {
      steps.push_back({Rewriting::Kind::nfkd});
    } else if (type == "Prepend") {
      steps.push_back({Rewriting::Kind::prepend, "", text_at(step, "prepend")});
    } else if (type == "Replace") {
      steps.push_back({Rewriting::Kind::replace, replaced_text(step), text_at(step, "content")});
    } else {
      unsupported(fmt::format("the normalizer {}", io::printable(type)));
    }
  }

  /// What a step of the type Replace replaces.
  std::string replaced_text(const json& step) const {
    const json* pattern = find(step, "pattern");
    const std::string text = pattern != nullptr ? text_at(*pattern, "String") : "";
    if (text.empty()) unsupported("a Replace that is not of a String");
    return text;
  }

  template <class Read>
  void for_each_step(const json& sequence, const char* key, Read&& read) const {
    const json* steps = find(sequence, key);
    if (steps == nullptr || !steps->is_array()) fail("a step of the type Sequence has no {}", key);
    for (const json& each : *steps) read(each);
  }

  void read_pre_tokenizer(const json& step) {
    const std::string type = text_at(step, "type");
    auto& patterns = definition_.patterns;
    if (has_byte_level_) unsupported(fmt::format("the pre_tokenizer {} after ByteLevel", io::printable(type)));
    if (type == "Sequence") {
      for_each_step(step, "pretokenizers", [&](const json& each) { read_pre_tokenizer(each); });
    } else if (type == "Split") {
      patterns.push_back(split_pattern(step));
    } else if (type == "ByteLevel") {
      has_byte_level_ = true;
      if (is_true(step, "add_prefix_space")) set_spacing({{Rewriting::Kind::begin, "", " "}}, "add_prefix_space");
      const json* use_regex = find(step, "use_regex");
      if (use_regex == nullptr || *use_regex == true) patterns.emplace_back(gpt2_pattern());
    } else if (type == "Digits") {
      patterns.emplace_back(is_true(step, "individual_digits") ? R"(\p{N})" : R"(\p{N}+)");
    } else if (type == "Metaspace") {
      read_metaspace(step);
    } else {
      unsupported(fmt::format("the pre_tokenizer {}", io::printable(type)));
    }
  }

  std::string split_pattern(const json& step) const {
    const json* pattern = find(step, "pattern");
    const bool is_plain = pattern != nullptr && text_at(step, "behavior") == "Isolated" && !is_true(step, "invert");
    const std::string expression = is_plain ? text_at(*pattern, "Regex") : "";
    if (!expression.empty()) return pcre_of_oniguruma(expression, source_);
    const std::string literal = is_plain ? text_at(*pattern, "String") : "";
    if (literal.empty() || literal.find("\\E") != std::string::npos)
      unsupported("a Split that is not by a Regex or String, Isolated and not inverted");
    return "\\Q" + literal + "\\E";
  }

  /// SentencePiece's way with spaces: they become marks, and one goes in front.
  void read_metaspace(const json& step) {
    if (text_at(step, "replacement") != space_mark) unsupported("a Metaspace whose replacement is not \u2581");
    const json* adds = find(step, "add_prefix_space");  // how older files say it
    const std::string said = text_at(step, "prepend_scheme");
    const std::string scheme = !said.empty() ? said : adds != nullptr && *adds == false ? "never" : "always";
    std::vector<Rewriting> steps = {{Rewriting::Kind::replace, " ", std::string(space_mark)}};
    if (scheme != "never") steps.push_back({Rewriting::Kind::begin, "", std::string(space_mark), scheme == "first"});
    set_spacing(std::move(steps), "Metaspace");
    const json* split = find(step, "split");
    if (split == nullptr || *split == true) definition_.patterns.push_back(fmt::format("{0}[^{0}]*", space_mark));
  }

  /// What puts spaces in front of a stretch of text must be the first to split it.
  void set_spacing(std::vector<Rewriting> steps, const char* what) {
    if (!definition_.patterns.empty() || !definition_.spacing.empty())
      unsupported(fmt::format("{} after a split", what));
    definition_.spacing = std::move(steps);
  }

  /// How tokens become text again follows from the vocabulary's units; what is left to say is whether a space in front
  /// is taken off.
  void read_decoder(const json& step) {
    const std::string type = text_at(step, "type");
    const bool are_bytes = definition_.units == BpeUnits::bytes;
    if (type == "Sequence") {
      for_each_step(step, "decoders", [&](const json& each) { read_decoder(each); });
    } else if (type == "Strip" && !are_bytes) {
      const json* start = find(step, "start");
      const json* stop = find(step, "stop");
      const bool is_plain = text_at(step, "content") == " " && start != nullptr && (*start == 0 || *start == 1) &&
                            (stop == nullptr || *stop == 0);
      if (!is_plain) unsupported("a Strip of something else than a space in front");
      definition_.strips_space = *start == 1;
    } else if (type == "Replace" && !are_bytes) {
      if (replaced_text(step) != space_mark || text_at(step, "content") != " ")
        unsupported("a decoder that replaces something else than \u2581 by a space");
    } else if (!(are_bytes ? type == "ByteLevel" || type == "Fuse" : type == "ByteFallback" || type == "Fuse")) {
      unsupported(fmt::format("the decoder {}", io::printable(type)));
    }
  }

  const json& root_;
  const std::string& source_;
  std::vector<std::string> tokens_;
  std::size_t missing_ = 0;  // of tokens_: ids that are nobody's
  bool has_byte_level_ = false;
  std::vector<std::string> merges_;
  BpeDefinition definition_;
};

}  // namespace

bool is_bpe(const json& root) {
  const json* model = find(root, "model");
  return model != nullptr && (text_at(*model, "type") == "BPE" || find(*model, "merges") != nullptr);
}

std::unique_ptr<const Tokenizer> make_bpe_tokenizer(const json& root, const std::string& source, VocabularyUse use) {
  return TokenizerJson(root, source).make(std::move(use));
}

}  // namespace pipespec::text
