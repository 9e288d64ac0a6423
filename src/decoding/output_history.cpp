#include "decoding/output_history.hpp"

#include <algorithm>
#include <ranges>

namespace pipespec::decoding {

void OutputHistory::add(std::span<const Token> output) {
  if (capacity_ == 0) return;
  output = output.last(std::min(output.size(), capacity_));
  const std::size_t from = tokens_.size();
  tokens_.insert(tokens_.end(), output.begin(), output.end());
  tokens_.push_back(end_of_output);
  if (tokens_.size() <= 2 * capacity_) return index(from);
  // The older half goes, whole outputs or not; so a token is indexed twice at the most.
  tokens_.erase(tokens_.begin(), tokens_.end() - static_cast<std::ptrdiff_t>(capacity_));
  behind_.clear();
  index(0);
}

/// The places at and behind `from`.
void OutputHistory::index(std::size_t from) {
  for (std::size_t place = from + 2; place < tokens_.size(); ++place) {
    if (tokens_[place] == end_of_output || tokens_[place - 1] == end_of_output || tokens_[place - 2] == end_of_output)
      continue;  // nothing follows there, or it is not one text
    behind_[pair(tokens_[place - 2], tokens_[place - 1])].push_back(place);
  }
}

TextMatch OutputHistory::find(std::span<const Token> text, int most) const {
  TextMatch best;
  if (text.size() < least_match || most < least_match) return best;
  const auto places = behind_.find(pair(text[text.size() - 2], text.back()));
  if (places == behind_.end()) return best;
  const auto most_tokens = std::min(text.size(), static_cast<std::size_t>(most));
  std::size_t best_place = 0;
  for (const std::size_t place : places->second | std::views::reverse | std::views::take(tried)) {
    std::size_t length = least_match;
    while (length < std::min(most_tokens, place) && tokens_[place - 1 - length] == text[text.size() - 1 - length])
      ++length;
    if (static_cast<int>(length) <= best.length) continue;
    best.length = static_cast<int>(length);
    best_place = place;
  }
  const auto first = tokens_.begin() + static_cast<std::ptrdiff_t>(best_place);
  best.next = {first, std::find(first, tokens_.end(), end_of_output)};
  return best;
}

}  // namespace pipespec::decoding
