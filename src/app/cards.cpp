#include "app/cards.hpp"

#include <algorithm>

namespace pipespec::app {

bool holds(int gib, std::int64_t bytes) {
  return static_cast<double>(bytes) <= usable_part * static_cast<double>(std::int64_t{gib} << 30);
}

std::optional<int> smallest_card(std::int64_t bytes) {
  const auto found = std::ranges::find_if(card_sizes, [&](int gib) { return holds(gib, bytes); });
  return found == card_sizes.end() ? std::nullopt : std::optional(*found);
}

}  // namespace pipespec::app
