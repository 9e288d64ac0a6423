#include "text/hf_tokenizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "io/json_file.hpp"
#include "io/mapped_file.hpp"
#include "io/printable.hpp"
#include "text/byte_level_bpe.hpp"
#include "text/sentencepiece_tokenizer.hpp"

namespace pipespec::text {

namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr Token largest_token = 1 << 24;

/// The member of an object; nullptr where it is missing, null, or there is no object.
const json* find(const json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

bool is_true(const json& object, const char* key) {
  const json* value = find(object, key);
  return value != nullptr && *value == true;
}

std::string text_at(const json& object, const char* key) {
  const json* value = find(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

std::optional<json> read_if_there(const fs::path& file) {
  return fs::exists(file) ? std::optional(io::read_json_file(file)) : std::nullopt;
}

// --- what stands beside the vocabulary

/// The template of a folder: its own file, or in tokenizer_config.json as a text, or as a list with a "default".
std::string read_chat_template(const fs::path& folder) {
  if (std::ifstream file(folder / "chat_template.jinja", std::ios::binary); file) {
    return {std::istreambuf_iterator<char>(file), {}};
  }
  const auto config = read_if_there(folder / "tokenizer_config.json");
  if (!config) return "";
  const json* given = find(*config, "chat_template");
  if (given == nullptr || !given->is_array()) return text_at(*config, "chat_template");
  for (const json& named : *given) {
    if (text_at(named, "name") == "default") return text_at(named, "template");
  }
  return "";
}

/// An id or a list of ids.
std::vector<Token> ids_of(const json& value, const fs::path& file) {
  std::vector<Token> ids;
  for (const json& id : value.is_array() ? value : json::array({value})) {
    validate(id.is_number_unsigned() && id.get<std::uint64_t>() < std::uint64_t{largest_token},
             "{}: the end token {} is no token id: get the file again", file.string(), io::printable(id.dump()));
    ids.push_back(id.get<Token>());
  }
  return ids;
}

/// The end tokens that the folder names by their ids, ascending; empty where it names none.
std::vector<Token> read_end_tokens(const fs::path& folder) {
  for (const char* name : {"generation_config.json", "config.json"}) {
    const auto config = read_if_there(folder / name);
    const json* ids = config ? find(*config, "eos_token_id") : nullptr;
    if (ids == nullptr) continue;
    std::vector<Token> tokens = ids_of(*ids, folder / name);
    std::ranges::sort(tokens);
    tokens.erase(std::ranges::unique(tokens).begin(), tokens.end());
    return tokens;
  }
  return {};
}

/// The end token that tokenizer_config.json names by its text, "<|eot_id|>".
std::string read_end_text(const fs::path& folder) {
  const auto config = read_if_there(folder / "tokenizer_config.json");
  const json* token = config ? find(*config, "eos_token") : nullptr;
  if (token == nullptr) return "";
  return token->is_string() ? token->get<std::string>() : text_at(*token, "content");
}

// --- tokenizer.json

/// A byte-level BPE tokenizer.json, read into what ByteLevelBpe takes.
class TokenizerJson {
 public:
  explicit TokenizerJson(const fs::path& file) : source_(file.string()), root_(io::read_json_file(file)) {}

  /// Whether it is one of those we read; others (BPE over characters, as LLaMA 2's) have a tokenizer.model beside them.
  bool is_byte_level() const {
    const json* model = find(root_, "model");
    const json* steps = find(root_, "pre_tokenizer");
    return model != nullptr && text_at(*model, "type") == "BPE" && !is_true(*model, "byte_fallback") &&
           steps != nullptr && steps->dump().find("\"ByteLevel\"") != std::string::npos;
  }

  std::unique_ptr<const Tokenizer> make(std::vector<Token> end_tokens, const std::string& end_text,
                                        const std::string& chat_template) {
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
    if (end_tokens.empty()) {
      const auto found = std::ranges::find(tokens_, end_text);
      if (!end_text.empty() && found != tokens_.end()) end_tokens = {static_cast<Token>(found - tokens_.begin())};
    }
    definition.end_tokens = std::move(end_tokens);
    definition.chat_template = chat_template;
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
      // Ids have no large gaps, so that a damaged one does not take the memory of sixteen million tokens.
      constexpr std::size_t largest_gap = 1 << 16;
      if (place > tokens_.size() + largest_gap) fail("the token \"{}\" has the id {}", io::printable(text), token);
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
      if (!text_at(*model, key).empty()) unsupported(fmt::format("model.{} (\"{}\")", key, text_at(*model, key)));
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

  std::string source_;
  json root_;
  std::vector<std::string> tokens_;
  std::vector<TokenKind> kinds_;
  std::vector<std::string> merges_;
  std::vector<std::string> patterns_;
  bool ignore_merges_ = false;
  Normalization normalization_ = Normalization::none;
};

}  // namespace

std::unique_ptr<const Tokenizer> load_hf_tokenizer(const fs::path& folder) {
  const fs::path json_file = folder / "tokenizer.json", model_file = folder / "tokenizer.model";
  const std::vector<Token> end_tokens = read_end_tokens(folder);
  if (fs::exists(json_file)) {
    TokenizerJson tokenizer(json_file);
    if (tokenizer.is_byte_level()) {
      return tokenizer.make(end_tokens, read_end_text(folder), read_chat_template(folder));
    }
    validate(fs::exists(model_file),
             "{} is no byte-level BPE, and there is no tokenizer.model beside it: use a model of another family",
             json_file.string());
  }
  validate(fs::exists(model_file), "{} holds neither tokenizer.json nor tokenizer.model: get the tokenizer's files",
           folder.string());
  const io::MappedFile file(model_file);
  const std::string_view model(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  return std::make_unique<SentencePieceTokenizer>(
      SentencePieceDefinition{model_file.string(), model, end_tokens, read_chat_template(folder)});
}

}  // namespace pipespec::text
