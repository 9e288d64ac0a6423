#include <algorithm>

#include "core/error.hpp"
#include "decoding/drafter.hpp"

namespace pipespec::decoding {

PromptLookup::PromptLookup(const Options& options) : options_(options) {
  expect(1 <= options_.min_match && options_.min_match <= options_.max_match && options_.max_tokens >= 1,
         "1 <= min_match <= max_match and max_tokens >= 1");
}

Guess PromptLookup::propose(std::span<const Token> view, int max_tokens) {
  const auto length = static_cast<int>(view.size());
  int best_match = options_.min_match - 1;
  int best_end = 0;  // the place behind the match
  for (int end = length - 1; end >= options_.min_match && best_match < options_.max_match; --end) {
    const int most = std::min(options_.max_match, end);
    int match = 0;
    while (match < most && view[end - 1 - match] == view[length - 1 - match]) ++match;
    if (match > best_match) {
      best_match = match;
      best_end = end;
    }
  }
  if (best_end == 0) return {};
  // A copy that reaches the end of the view goes on with itself: a text that repeats is expected to go on repeating.
  Guess guess;
  for (int i = 0; i < std::min(max_tokens, options_.max_tokens); ++i) {
    const int from = best_end + i;
    guess.tokens.push_back(from < length ? view[from] : guess.tokens[from - length]);
    guess.confidences.push_back(Confidence::of_match(best_match + i));
  }
  return guess;
}

}  // namespace pipespec::decoding
