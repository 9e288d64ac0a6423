#include "pipeline/wire.hpp"

#include <type_traits>
#include <variant>

#include "core/error.hpp"
#include "core/trace.hpp"

namespace pipespec::pipeline {

using namespace decoding;

namespace {

constexpr std::size_t header_words = 6;
const auto tokens_kind = static_cast<std::int32_t>(Message(Tokens()).index());

/// One message's fields in the order of the words; `visit(message, sequence, epoch, position, extra, tokens)` with
/// nullptr for what a message lacks.
template <class M, class Visitor>
void fields(M& m, Visitor&& visit) {
  using T = std::remove_const_t<M>;
  if constexpr (std::is_same_v<T, Tokens>) visit(&m.sequence, &m.epoch, &m.position, &m.round, &m.tokens);
  if constexpr (std::is_same_v<T, Correction>) visit(&m.sequence, &m.epoch, &m.position, &m.confirmed, &m.tokens);
  if constexpr (std::is_same_v<T, Progress>) visit(&m.sequence, nullptr, &m.position, &m.confirmed, &m.tokens);
  if constexpr (std::is_same_v<T, Start>) visit(&m.sequence, nullptr, nullptr, &m.max_length, &m.prompt);
  if constexpr (std::is_same_v<T, Finish>) visit(&m.sequence, nullptr, nullptr, nullptr, nullptr);
  if constexpr (std::is_same_v<T, Shutdown>) visit(nullptr, nullptr, nullptr, nullptr, nullptr);
}

template <class P, class Use>
void if_there(P pointer, Use&& use) {
  if constexpr (!std::is_null_pointer_v<P>) use(*pointer);
}

void decode_confidences(std::span<const std::int32_t> words, std::vector<Confidence>& confidences) {
  for (const std::int32_t word : words.subspan(header_words + static_cast<std::size_t>(words[5]))) {
    const bool is_one = word >= 0 && word < static_cast<std::int32_t>(Confidence::count);
    confidences.push_back(
        Confidence::of_value(is_one ? word : throw Failure("a message with an unknown confidence arrived")));
  }
}

template <std::size_t kind = 0>
Message decode_kind(std::size_t wanted, std::span<const std::int32_t> words) {
  if constexpr (kind == std::variant_size_v<Message>) {
    throw Failure(fmt::format("a message of unknown kind {} arrived", wanted));
  } else {
    if (wanted != kind) return decode_kind<kind + 1>(wanted, words);
    std::variant_alternative_t<kind, Message> message;
    fields(message, [&](auto sequence, auto epoch, auto position, auto extra, auto tokens) {
      if_there(sequence, [&](SequenceId& id) { id.value = words[1]; });
      if_there(epoch, [&](Epoch& value) { value = words[2]; });
      if_there(position, [&](Position& value) { value = words[3]; });
      if_there(extra, [&](Position& value) { value = words[4]; });
      if_there(tokens, [&](std::vector<Token>& all) {
        all.assign(words.begin() + header_words, words.begin() + header_words + words[5]);
      });
    });
    if constexpr (requires { message.confidences; }) decode_confidences(words, message.confidences);
    return message;
  }
}

}  // namespace

std::vector<std::int32_t> encode(const Message& message) {
  std::vector<std::int32_t> words(header_words);
  words[0] = static_cast<std::int32_t>(message.index());
  std::visit(
      [&](const auto& m) {
        fields(m, [&](auto sequence, auto epoch, auto position, auto extra, auto tokens) {
          if_there(sequence, [&](const SequenceId& id) { words[1] = id.value; });
          if_there(epoch, [&](Epoch value) { words[2] = value; });
          if_there(position, [&](Position value) { words[3] = value; });
          if_there(extra, [&](Position value) { words[4] = value; });
          if_there(tokens, [&](const std::vector<Token>& all) {
            words[5] = static_cast<std::int32_t>(all.size());
            words.insert(words.end(), all.begin(), all.end());
          });
        });
        if constexpr (requires { m.confidences; }) {
          for (const Confidence confidence : m.confidences) words.push_back(confidence.value());
        }
      },
      message);
  return words;
}

Message decode(std::span<const std::int32_t> words) {
  const std::size_t tokens = words.size() < header_words ? 0 : static_cast<std::size_t>(words[5]);
  const bool may_have_confidences = words.size() >= header_words && words[0] == tokens_kind;
  const bool is_whole =
      words.size() == header_words + tokens || (may_have_confidences && words.size() == header_words + 2 * tokens);
  if (!is_whole) {
    throw Failure(fmt::format("a message of {} words arrived that is none of the protocol's", words.size()));
  }
  return decode_kind(static_cast<std::size_t>(words[0]), words);
}

}  // namespace pipespec::pipeline
