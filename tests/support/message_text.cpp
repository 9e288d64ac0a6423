#include "support/message_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

namespace pipespec::testing {

std::string to_text(const decoding::Outgoing& outgoing) {
  constexpr std::array names{"tokens", "correction", "progress", "start", "finish", "shutdown"};
  std::string text = fmt::format("{} to {}", names[outgoing.message.index()], outgoing.to.value);
  std::visit(
      [&text](const auto& m) {
        if constexpr (requires { m.epoch; }) text += fmt::format(", epoch {}", m.epoch);
        if constexpr (requires { m.position; })
          text += fmt::format(", at {}: {}", m.position, fmt::join(m.tokens, " "));
        if constexpr (requires { m.prompt; }) text += fmt::format(": {}", fmt::join(m.prompt, " "));
      },
      outgoing.message);
  return text;
}

std::vector<std::string> to_text(const std::vector<decoding::Outgoing>& outgoing) {
  std::vector<std::string> texts;
  for (const auto& one : outgoing) texts.push_back(to_text(one));
  return texts;
}

}  // namespace pipespec::testing
