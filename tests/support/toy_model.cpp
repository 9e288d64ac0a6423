#include "support/toy_model.hpp"

#include <cmath>
#include <limits>

namespace pipespec::testing {
namespace {

/// The finalizer of splitmix64 (S. Vigna).
std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t x = a * 0x9e3779b97f4a7c15u + b + 0x632be59bd9b4e019u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

double uniform(std::uint64_t bits) {
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

}  // namespace

ToyText ToyText::followed_by(Token token) const {
  return {mix(hash, static_cast<std::uint64_t>(token)), length + 1};
}

ToyText ToyText::of(std::span<const Token> tokens) {
  ToyText text;
  for (const Token token : tokens) text = text.followed_by(token);
  return text;
}

Token ToyModels::next(int stage, const ToyText& text) const {
  return choice == ToyChoice::hash ? hashed(stage, text) : drawn(stage, text);
}

Token ToyModels::hashed(int stage, const ToyText& text) const {
  const std::uint64_t own = mix(seed, text.hash);
  const bool ends = uniform(mix(own, 1)) < end_rate;
  const Token target = ends ? end_token : 1 + static_cast<Token>(mix(own, 2) % (vocabulary - 1));
  if (is_target(stage)) return target;
  const std::uint64_t place = cluster > 1 ? static_cast<std::uint64_t>(text.length / cluster) : text.hash;
  if (uniform(mix(mix(seed, place), 100 + stage)) < agreement[stage]) return target;
  const auto shift = 1 + static_cast<Token>(mix(own, 200 + stage) % (vocabulary - 1));
  return (target + shift) % vocabulary;  // any token but the target's, an end token now and then
}

/// argmax(logit + Gumbel noise), where the noise belongs to the place and the token alone.
Token ToyModels::drawn(int stage, const ToyText& text) const {
  constexpr double spread = 4;  // of the logits
  const std::uint64_t own = mix(seed, text.hash), place = mix(~seed, static_cast<std::uint64_t>(text.length));
  const double difference = is_target(stage) ? 0 : 1 - agreement[stage];
  Token best = 0;
  double largest = -std::numeric_limits<double>::infinity();
  for (Token token = 0; token < vocabulary; ++token) {
    const bool is_end = token == end_token;
    if (is_end && is_target(stage) && end_rate == 0) continue;
    const auto of_stage = static_cast<std::uint64_t>(vocabulary * (stage + 1) + token);
    const double logit = is_end ? std::log(end_rate + 0.02 * difference) : spread * uniform(mix(own, token)) - spread;
    const double value = logit + difference * spread * uniform(mix(own, of_stage)) -
                         std::log(-std::log(uniform(mix(place, token)) + 0x1p-54));
    if (value <= largest) continue;
    largest = value;
    best = token;
  }
  return best;
}

std::vector<Token> ToyModels::autoregressive(std::span<const Token> prompt, Position max_length) const {
  std::vector<Token> output;
  for (ToyText text = ToyText::of(prompt); text.length < max_length; text = text.followed_by(output.back())) {
    output.push_back(next(static_cast<int>(agreement.size()), text));
    if (output.back() == end_token) break;
  }
  return output;
}

}  // namespace pipespec::testing
