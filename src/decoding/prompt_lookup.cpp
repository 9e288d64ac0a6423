#include <algorithm>

#include "core/error.hpp"
#include "decoding/drafter.hpp"

namespace pipespec::decoding {

PromptLookup::PromptLookup(const Options& options)
    : options_(options), history_(static_cast<std::size_t>(std::max(0, options.history))) {
  expect(1 <= options_.min_match && options_.min_match <= options_.max_match && options_.history >= 0,
         "1 <= min_match <= max_match and history >= 0");
}

TextMatch PromptLookup::find_in(std::span<const Token> view) const {
  const auto length = static_cast<int>(view.size());
  TextMatch best{.length = options_.min_match - 1, .next = {}};
  for (int end = length - 1; end >= options_.min_match && best.length < options_.max_match; --end) {
    const int most = std::min(options_.max_match, end);
    int match = 0;
    while (match < most && view[end - 1 - match] == view[length - 1 - match]) ++match;
    if (match > best.length) best = {match, view.subspan(static_cast<std::size_t>(end))};
  }
  return best.next.empty() ? TextMatch{} : best;
}

Guess PromptLookup::propose(std::span<const Token> view, int max_tokens) {
  const TextMatch own = find_in(view), earlier = history_.find(view, options_.max_match);
  const bool is_own = earlier.length <= own.length || earlier.length < options_.min_match;
  const auto [match, next] = is_own ? own : earlier;
  if (match == 0) return {};
  // A copy that reaches the end of the view goes on with itself: a text that repeats is expected to go on repeating.
  // One that reaches the end of an output has nothing to go on with.
  Guess guess;
  const int known = static_cast<int>(next.size());
  for (int i = 0; i < (is_own ? max_tokens : std::min(max_tokens, known)); ++i) {
    guess.tokens.push_back(i < known ? next[i] : guess.tokens[i - known]);
    guess.confidences.push_back(Confidence::of_match(match + i));
  }
  return guess;
}

}  // namespace pipespec::decoding
