/// Conversations to tokens, in the forms that instruction-tuned models were trained on.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.hpp"

namespace pipespec::text {

/// The known forms of a chat.
enum class ChatFormat {
  chatml,  ///< "<|im_start|>role\ncontent<|im_end|>\n": SmolLM, Qwen
  llama2,  ///< "<s>[INST] user [/INST] assistant </s>", a system message between <<SYS>> and <</SYS>>: LLaMA 2 Chat
  llama3,  ///< "<|start_header_id|>role<|end_header_id|>\n\ncontent<|eot_id|>": LLaMA 3 Instruct
};

/// "chatml", "llama-2", "llama-3"
std::string_view name(ChatFormat format);

/// One turn of a conversation.
struct Message {
  std::string role;  ///< "system", "user" or "assistant"
  std::string content;
};

/// The form of a model's chat template (Jinja), recognised by the marks it writes; nullopt where it is another.
std::optional<ChatFormat> find_chat_format(std::string_view chat_template);

/// The form that a tokenizer's own template asks for. UserError where there is no
/// template, or an unknown one.
ChatFormat chat_format_of(const Tokenizer& tokenizer);

/// The tokens of a conversation up to where the model is to speak: each message in its turn, then the assistant's turn,
/// opened. A last message of the assistant is left open instead, so that the model goes on with it. No system message
/// is inserted: what the template of some models adds where the conversation has none ("You are a helpful AI
/// assistant…") is the caller's choice. Roles and contents never become special tokens, so no content can end its own
/// turn. UserError: an unknown role, no messages, a tokenizer without the tokens of the form.
std::vector<Token> encode_chat(ChatFormat format, std::span<const Message> messages, const Tokenizer& tokenizer);

}  // namespace pipespec::text
