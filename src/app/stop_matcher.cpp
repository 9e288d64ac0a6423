#include "app/stop_matcher.hpp"

#include <algorithm>

namespace pipespec::app {

bool StopMatcher::push(Token token) {
  const std::size_t old = text_.size();
  text_ += detokenizer_.push(token);
  std::size_t first = std::string::npos;
  for (const std::string& stop : stops_) {
    first = std::min(first, text_.find(stop, old - std::min(old, stop.size() - 1)));
  }
  if (first == std::string::npos) return false;
  text_.resize(first);
  return true;
}

std::size_t StopMatcher::settled() const {
  std::size_t open = 0;  // longest end of the text that begins a stop string
  for (const std::string& stop : stops_) {
    for (std::size_t n = std::min(stop.size() - 1, text_.size()); n > open; --n) {
      if (text_.ends_with(std::string_view(stop).substr(0, n))) open = n;
    }
  }
  return text_.size() - open;
}

}  // namespace pipespec::app
