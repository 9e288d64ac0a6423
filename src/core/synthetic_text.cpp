#include "core/synthetic_text.hpp"

#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "core/mix.hpp"

namespace pipespec {

namespace {

/// From 0 to less than 1.
double uniform(std::uint64_t bits) {
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

}  // namespace

SyntheticText::SyntheticText(int vocabulary, double mean_length, std::vector<Voice> voices)
    : vocabulary_(vocabulary), end_rate_(mean_length > 0 ? 1 / mean_length : 0), voices_(std::move(voices)) {
  expect(vocabulary_ >= 2 && !voices_.empty(), "a synthetic text has words and voices");
}

SyntheticText::Prefix SyntheticText::extend(Prefix prefix, Token token) {
  return mix(mix(prefix) + static_cast<std::uint64_t>(token));
}

std::uint64_t SyntheticText::draw(int stage, Prefix prefix) const {
  return mix(mix(voices_[stage].seed + static_cast<std::uint64_t>(stage)) ^ prefix);
}

Token SyntheticText::last_stage(Prefix prefix) const {
  const std::uint64_t bits = draw(stages() - 1, prefix);
  if (uniform(bits) < end_rate_) return end_token;
  return 1 + static_cast<Token>(mix(bits) % static_cast<std::uint64_t>(vocabulary_ - 1));
}

Token SyntheticText::next(int stage, Prefix prefix) const {
  Token token = last_stage(prefix);
  for (int s = stages() - 2; s >= stage; --s) {
    const std::uint64_t bits = draw(s, prefix);
    if (uniform(bits) < voices_[s].agreement) continue;
    token = (token + 1 + static_cast<Token>(mix(bits) % static_cast<std::uint64_t>(vocabulary_ - 1))) % vocabulary_;
  }
  return token;
}

void SyntheticText::pass(int stage, std::span<const Token> tokens, std::vector<Prefix>& cache,
                         std::span<Token> next) const {
  expect(next.size() <= tokens.size(), "as many outputs as rows, at most");
  for (const Token token : tokens) cache.push_back(extend(cache.empty() ? 0 : cache.back(), token));
  std::transform(cache.end() - std::ssize(next), cache.end(), next.begin(),
                 [&](Prefix prefix) { return this->next(stage, prefix); });
}

}  // namespace pipespec
