/// The `tokenizer.json` of Hugging Face's tokenizers library, as far as it is a BPE.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "text/tokenizer.hpp"

namespace pipespec::text {

/// Token ids in these files are below it.
inline constexpr Token largest_token = 1 << 24;

/// What the files beside a vocabulary say of it.
struct VocabularyUse {
  std::vector<Token> end_tokens;  ///< ascending; empty: `end_text`
  std::string end_text;           ///< "<|eot_id|>"; empty: not named by its text
  std::string chat_template;      ///< empty: none
};

/// Whether `root`, the content of a tokenizer.json, is a BPE, which make_bpe_tokenizer() reads.
bool is_bpe(const nlohmann::json& root);

/// The tokenizer that `root`, the content of the file called `source`, describes. UserErrors name the file, and what in
/// it is damaged or not known by name.
std::unique_ptr<const Tokenizer> make_bpe_tokenizer(const nlohmann::json& root, const std::string& source,
                                                    VocabularyUse use);

}  // namespace pipespec::text
