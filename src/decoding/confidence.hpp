/// How sure a stage is of the tokens that it sends up.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace pipespec::decoding {

/// What speaks for a token, told with it: a level, in the measure of the stage that chose it, and whose choice it is,
/// this stage's alone, that of the stage below as well, or that of the stage below alone. The numbers are names, no
/// chances: what each is worth, the stage above learns (AcceptanceChance), so stages need not agree on a measure. It
/// decides what is tried, never what is right: the target checks all the same.
class Confidence {
 public:
  static constexpr std::uint8_t levels = 11;  ///< 0: not known
  static constexpr std::size_t count = std::size_t{3} * levels;

  constexpr Confidence() = default;

  /// Of a token that a model gives this probability; 0: it does not say.
  static Confidence of_probability(float probability) {
    constexpr int steps = levels - 1;
    return probability > 0 ? own(1 + std::min(static_cast<int>(probability * steps), steps - 1)) : Confidence();
  }

  /// Of a token that goes on as the text went on before, where so many tokens were the same.
  static Confidence of_match(int tokens) { return own(std::min<int>(tokens, levels - 1)); }

  /// The same token, which the stage below had offered as well.
  Confidence when_agreed() const { return with_origin(1); }

  /// The same token, which the stage below has offered and this one passes on without having chosen it.
  Confidence when_kept() const { return with_origin(2); }

  /// Not told to be the choice of the stage below.
  constexpr bool is_own() const { return value_ < levels; }

  /// As a number < count, for tables and messages.
  constexpr std::uint8_t value() const { return value_; }
  static Confidence of_value(std::int32_t value) { return Confidence(value); }

  friend bool operator==(Confidence, Confidence) = default;

 private:
  constexpr explicit Confidence(int value) : value_(static_cast<std::uint8_t>(value)) {}
  static Confidence own(int level) { return Confidence(level); }
  Confidence with_origin(int origin) const {
    const int level = value_ % levels;
    return level == 0 ? Confidence() : Confidence(level + origin * levels);
  }

  std::uint8_t value_ = 0;
};

/// That of token `index`, if it was told.
inline Confidence confidence_at(std::span<const Confidence> confidences, std::size_t index) {
  return index < confidences.size() ? confidences[index] : Confidence();
}

}  // namespace pipespec::decoding
