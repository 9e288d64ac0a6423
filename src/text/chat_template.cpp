#include "text/chat_template.hpp"

#include <algorithm>
#include <array>

#include "core/error.hpp"
#include "io/printable.hpp"

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

}  // namespace

std::string_view name(ChatFormat format) {
  switch (format) {
    case ChatFormat::chatml:
      return "chatml";
  }
  return "";
}

ChatFormat chat_format_of(const Tokenizer& tokenizer) {
  validate(!tokenizer.chat_template().empty(),
           "the model has no chat template (it is no instruction-tuned model): use prompts without messages");
  validate(tokenizer.chat_template().find("<|im_start|>") != std::string_view::npos,
           "the model's chat template is not supported (known: chatml): use prompts without messages");
  return ChatFormat::chatml;
}

std::vector<Token> encode_chat(ChatFormat format, std::span<const Message> messages, const Tokenizer& tokenizer) {
  validate(!messages.empty(), "the conversation has no messages (one at least is needed): add one");
  for (const Message& message : messages)
    validate(std::ranges::find(roles, message.role) != roles.end(),
             "the role {} is not known (known: system, user, assistant): change it", io::printable(message.role));
  switch (format) {
    case ChatFormat::chatml:
      return encode_chatml(messages, tokenizer);
  }
  return {};
}

}  // namespace pipespec::text
