/// Numbers from text, all or nothing.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>

namespace pipespec::config {

/// The number that `text` is, without blanks around it; none if it is anything else or does not fit T.
template <class T>
std::optional<T> parse_number(std::string_view text) {
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace pipespec::config
