/// A running 64-bit hash of protocol state, for explorers of schedules and for comparing replicas. Not cryptographic.
#pragma once

#include <cstdint>
#include <iterator>
#include <span>
#include <type_traits>
#include <variant>

#include "core/mix.hpp"
#include "core/types.hpp"
#include "decoding/message.hpp"

namespace pipespec::decoding {

class Digest {
 public:
  std::uint64_t value() const { return value_; }

  void add(std::int64_t number) { value_ = mix(value_ * 31 + static_cast<std::uint64_t>(number)); }

  void add(std::span<const Token> tokens) {
    add(std::ssize(tokens));
    for (const Token token : tokens) add(token);
  }

  void add(std::span<const Confidence> confidences) {
    add(std::ssize(confidences));
    for (const Confidence confidence : confidences) add(confidence.value());
  }

  void add(const Message& message) {
    add(static_cast<std::int64_t>(message.index()));
    std::visit([this](const auto& m) { add_fields(m); }, message);
  }

 private:
  template <class M>
  void add_fields(const M& m) {
    if constexpr (requires { m.sequence; }) add(m.sequence.value);
    if constexpr (requires { m.epoch; }) add(m.epoch);
    if constexpr (requires { m.position; }) add(m.position);
    if constexpr (requires { m.round; }) add(m.round);
    if constexpr (requires { m.confirmed; }) add(m.confirmed);
    if constexpr (requires { m.max_length; }) add(m.max_length);
    if constexpr (requires { m.tokens; }) add(m.tokens);
    if constexpr (requires { m.confidences; }) add(std::span<const Confidence>(m.confidences));
    if constexpr (requires { m.prompt; }) add(m.prompt);
  }

  std::uint64_t value_ = 0;
};

}  // namespace pipespec::decoding
