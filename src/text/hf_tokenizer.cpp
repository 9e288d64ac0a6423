#include "text/hf_tokenizer.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "io/json_file.hpp"
#include "io/mapped_file.hpp"
#include "io/printable.hpp"
#include "text/json_members.hpp"
#include "text/sentencepiece_tokenizer.hpp"
#include "text/tokenizer_json.hpp"

namespace pipespec::text {

namespace {

using nlohmann::json;
namespace fs = std::filesystem;

std::optional<json> read_if_there(const fs::path& file) {
  return fs::exists(file) ? std::optional(io::read_json_file(file)) : std::nullopt;
}

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

/// The tokenizer of the file tokenizer.json, read into `root`.
std::unique_ptr<const Tokenizer> load_bpe(const json& root, const fs::path& file,
                                          const std::vector<Token>& end_tokens) {
  const fs::path folder = file.parent_path();
  validate(is_bpe(root), "{} is no BPE, and there is no tokenizer.model beside it: use a model of another family",
           file.string());
  return make_bpe_tokenizer(root, file.string(), {end_tokens, read_end_text(folder), read_chat_template(folder)});
}

std::unique_ptr<const Tokenizer> load_sentencepiece(const fs::path& file, const std::vector<Token>& end_tokens) {
  const io::MappedFile mapped(file);
  const std::string_view model(reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size());
  return std::make_unique<SentencePieceTokenizer>(
      SentencePieceDefinition{file.string(), model, end_tokens, read_chat_template(file.parent_path())});
}

/// Tokens that were added to a tokenizer.model are named in other files, which say nothing of how a text is split
/// there.
void refuse_added_tokens(const fs::path& folder, int vocabulary) {
  const auto refuse = [&](const std::string& file, const std::string& token) {
    reject(
        "{}: {} adds the token \"{}\" to tokenizer.model, which takes a tokenizer.json: write one with transformers "
        "(AutoTokenizer.from_pretrained(folder).save_pretrained(folder))",
        folder.string(), file, io::printable(token));
  };
  const auto is_added = [vocabulary](const json& id) {
    return id.is_number_integer() && id.get<std::int64_t>() >= vocabulary;
  };
  if (const auto added = read_if_there(folder / "added_tokens.json"); added && added->is_object()) {
    for (const auto& [token, id] : added->items())
      if (is_added(id)) refuse("added_tokens.json", token);
  }
  const auto config = read_if_there(folder / "tokenizer_config.json");
  const json* added = config ? find(*config, "added_tokens_decoder") : nullptr;
  if (added == nullptr || !added->is_object()) return;
  for (const auto& [id, token] : added->items()) {
    if (is_added(json::parse(id, nullptr, false))) refuse("tokenizer_config.json", text_at(token, "content"));
  }
}

}  // namespace

std::unique_ptr<const Tokenizer> load_hf_tokenizer(const fs::path& folder) {
  const fs::path json_file = folder / "tokenizer.json", model_file = folder / "tokenizer.model";
  const bool has_model = fs::exists(model_file);
  validate(has_model || fs::exists(json_file),
           "{} holds neither tokenizer.json nor tokenizer.model: get the tokenizer's files", folder.string());
  const std::vector<Token> end_tokens = read_end_tokens(folder);
  // tokenizer.json counts, as with Hugging Face: it has the tokens that were added, too.
  if (fs::exists(json_file)) {
    const json root = io::read_json_file(json_file);
    if (!has_model || is_bpe(root)) return load_bpe(root, json_file, end_tokens);
  }
  auto tokenizer = load_sentencepiece(model_file, end_tokens);
  refuse_added_tokens(folder, tokenizer->vocabulary_size());
  return tokenizer;
}

}  // namespace pipespec::text
