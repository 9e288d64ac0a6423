#include "support/toy_model.hpp"

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
  const std::uint64_t own = mix(seed, text.hash);
  const bool ends = uniform(mix(own, 1)) < end_rate;
  const Token target = ends ? end_token : 1 + static_cast<Token>(mix(own, 2) % (vocabulary - 1));
  if (stage == static_cast<int>(agreement.size())) return target;
  const std::uint64_t place = cluster > 1 ? static_cast<std::uint64_t>(text.length / cluster) : text.hash;
  if (uniform(mix(mix(seed, place), 100 + stage)) < agreement[stage]) return target;
  const auto shift = 1 + static_cast<Token>(mix(own, 200 + stage) % (vocabulary - 1));
  return (target + shift) % vocabulary;  // any token but the target's, an end token now and then
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
