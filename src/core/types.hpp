/// The vocabulary of the program: tokens, positions and the ids that must not be mixed up.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace pipespec {

/// Index into a model's vocabulary.
using Token = std::int32_t;

/// Index of a token in a sequence, prompt included; also a length.
using Position = std::int32_t;

/// Number of a rollback on one link; see decoding/message.hpp.
using Epoch = std::int32_t;

/// A candidate for the most likely token of one row: the larger value wins, ties go to the lower token id.
struct Best {
  float value;
  Token token;
};

/// An integer that is only comparable with its own kind.
template <class Tag>
struct Id {
  std::int32_t value = 0;
  friend auto operator<=>(const Id&, const Id&) = default;
};

/// One prompt being decoded. Ids grow in the order in which the target starts sequences and are never used again.
using SequenceId = Id<struct SequenceTag>;

/// Place of a stage in its pipeline, 0 = the cheapest drafter.
using StageIndex = Id<struct StageTag>;

}  // namespace pipespec

template <class Tag>
struct std::hash<pipespec::Id<Tag>> {
  std::size_t operator()(pipespec::Id<Tag> id) const noexcept { return std::hash<std::int32_t>{}(id.value); }
};
