/// The GPUs a plan is held against.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace pipespec::app {

/// Memory of common cards in GiB, ascending: A100, A100 and H100, H200.
inline constexpr std::array<int, 3> card_sizes = {40, 80, 141};

/// The part of a card's memory that a plan may fill; the rest is for the driver, the context and the libraries.
inline constexpr double usable_part = 0.95;

/// Whether a card of `gib` holds a rank of `bytes`.
bool holds(int gib, std::int64_t bytes);

/// The smallest of card_sizes that holds a rank of `bytes`; none if the largest does not.
std::optional<int> smallest_card(std::int64_t bytes);

}  // namespace pipespec::app
