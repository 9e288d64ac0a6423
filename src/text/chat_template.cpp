#include "text/chat_template.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "core/error.hpp"
#include "io/printable.hpp"
#include "text/unicode.hpp"
#include "text/utf8.hpp"

namespace pipespec::text {
namespace {

constexpr std::array<std::string_view, 3> roles = {"system", "user", "assistant"};

Token required_token(const Tokenizer& tokenizer, std::string_view text) {
  const auto token = tokenizer.special_token(text);
  validate(token.has_value(), "the model has no token {} (the chat form needs it): choose another chat form", text);
  return *token;
}

std::vector<Token> encode_chatml(std::span<const Message> messages, const Tokenizer& tokenizer) {
  const Token turn_begin = required_token(tokenizer, "<|im_start|>");
  const Token turn_end = required_token(tokenizer, "<|im_end|>");
  const auto line_end = tokenizer.encode_plain("\n");
  std::vector<Token> tokens;
  const auto open_turn = [&](const std::string& role, const std::string& content) {
    tokens.push_back(turn_begin);
    const auto text = tokenizer.encode_plain(role + "\n" + content);
    tokens.insert(tokens.end(), text.begin(), text.end());
  };
  for (const Message& message : messages) {
    open_turn(message.role, message.content);
    if (message.role == "assistant" && &message == &messages.back()) return tokens;
    tokens.push_back(turn_end);
    tokens.insert(tokens.end(), line_end.begin(), line_end.end());
  }
  open_turn("assistant", "");
  return tokens;
}

std::string trimmed(const std::string& text) {
  return std::string(without_space_behind(without_space_before(text)));
}

// As the template of Meta-Llama-3-8B-Instruct.
std::vector<Token> encode_llama3(std::span<const Message> messages, const Tokenizer& tokenizer) {
  const Token header_begin = required_token(tokenizer, "<|start_header_id|>");
  const Token header_end = required_token(tokenizer, "<|end_header_id|>");
  const Token turn_end = required_token(tokenizer, "<|eot_id|>");
  std::vector<Token> tokens = {required_token(tokenizer, "<|begin_of_text|>")};
  const auto append = [&](const std::string& text) {
    const auto encoded = tokenizer.encode_plain(text);
    tokens.insert(tokens.end(), encoded.begin(), encoded.end());
  };
  const auto open_turn = [&](const std::string& role, const std::string& content) {
    tokens.push_back(header_begin);
    append(role);
    tokens.push_back(header_end);
    append("\n\n" + content);
  };
  for (const Message& message : messages) {
    const bool is_open = message.role == "assistant" && &message == &messages.back();
    open_turn(message.role, is_open ? message.content : trimmed(message.content));
    if (is_open) return tokens;
    tokens.push_back(turn_end);
  }
  open_turn("assistant", "");
  return tokens;
}

// As Meta's reference encodes it (llama/generation.py, chat_completion): each question with its answer is one text
// between a begin and an end token; a system message is part of the first question.
std::vector<Token> encode_llama2(std::span<const Message> messages, const Tokenizer& tokenizer) {
  const Token begin = required_token(tokenizer, "<s>"), end = required_token(tokenizer, "</s>");
  std::string system;
  if (messages.front().role == "system") {
    system = "<<SYS>>\n" + messages.front().content + "\n<</SYS>>\n\n";
    messages = messages.subspan(1);
  }
  std::vector<Token> tokens;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    validate(
        messages[i].role == (i % 2 == 0 ? "user" : "assistant"),
        "message {} of the conversation is the {}'s (user and assistant take turns in the form llama-2): change it", i,
        messages[i].role);
    if (i % 2 != 0) continue;
    std::string text = "[INST] " + trimmed(std::exchange(system, {}) + messages[i].content) + " [/INST]";
    const bool has_answer = i + 1 < messages.size(), is_open = i + 2 == messages.size();
    if (has_answer) text += " " + (is_open ? messages[i + 1].content : trimmed(messages[i + 1].content) + " ");
    tokens.push_back(begin);
    const auto encoded = tokenizer.encode_plain(text);
    tokens.insert(tokens.end(), encoded.begin(), encoded.end());
    if (has_answer && !is_open) tokens.push_back(end);
  }
  validate(!tokens.empty(), "the conversation holds a system message alone: add a question");
  return tokens;
}

}  // namespace

std::string_view name(ChatFormat format) {
  switch (format) {
    case ChatFormat::chatml:
      return "chatml";
    case ChatFormat::llama2:
      return "llama-2";
    case ChatFormat::llama3:
      return "llama-3";
  }
  return "";
}

std::optional<ChatFormat> find_chat_format(std::string_view chat_template) {
  const auto writes = [&](std::string_view mark) { return chat_template.find(mark) != std::string_view::npos; };
  if (writes("<|im_start|>")) return ChatFormat::chatml;
  if (writes("<|start_header_id|>")) return ChatFormat::llama3;
  if (writes("[INST]") && writes("<<SYS>>")) return ChatFormat::llama2;
  return std::nullopt;
}

ChatFormat chat_format_of(const Tokenizer& tokenizer) {
  validate(!tokenizer.chat_template().empty(),
           "the model has no chat template (it is no instruction-tuned model): use prompts without messages");
  const auto format = find_chat_format(tokenizer.chat_template());
  validate(
      format.has_value(),
      "the model's chat template is not supported (known: chatml, llama-2, llama-3): use prompts without messages, "
      "or say which of them it is by generation.chat");
  return *format;
}

std::vector<Token> encode_chat(ChatFormat format, std::span<const Message> messages, const Tokenizer& tokenizer) {
  validate(!messages.empty(), "the conversation has no messages (one at least is needed): add one");
  for (const Message& message : messages)
    validate(std::ranges::find(roles, message.role) != roles.end(),
             "the role {} is not known (known: system, user, assistant): change it", io::printable(message.role));
  switch (format) {
    case ChatFormat::chatml:
      return encode_chatml(messages, tokenizer);
    case ChatFormat::llama2:
      return encode_llama2(messages, tokenizer);
    case ChatFormat::llama3:
      return encode_llama3(messages, tokenizer);
  }
  return {};
}

}  // namespace pipespec::text
