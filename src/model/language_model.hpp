/// The interface by which decoding drives a model: positions in, tokens out.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/types.hpp"

namespace pipespec::model {

/// A slot of the KV cache: room for one sequence.
using Slot = int;

/// The rows of one sequence in a forward pass.
struct Segment {
  Slot slot = 0;
  Position begin = 0;                  ///< position of the first row; equals length(slot)
  std::span<const Token> tokens;       ///< [rows] the tokens at begin, begin+1, …
  int outputs = 0;                     ///< how many of the last rows want their next token, 0 ≤ outputs ≤ rows
  std::uint64_t sequence = 0;          ///< whose noise a model that samples draws with
  std::span<const Token> recent = {};  ///< for a model with a repetition penalty: the text up to the last of the
                                       ///< tokens, at least from `window` tokens before the first output's
};

/// Asked in the course of a pass whether it is still wanted.
using KeepGoing = std::function<bool()>;

/// A causal language model with a KV cache of several slots. Row invariant: a row's output is a function of the
/// weights, the tokens of its prefix and, where the model samples, of the sequence's noise at its position alone, bit
/// for bit (CONTRIBUTING.md, "Row invariance"). Not thread-safe: one caller at a time.
class LanguageModel {
 public:
  virtual ~LanguageModel() = default;

  virtual int vocabulary_size() const = 0;
  virtual Position context_length() const = 0;  ///< positions a slot has room for
  virtual int slots() const = 0;

  /// Positions whose keys and values a slot holds.
  virtual Position length(Slot slot) const = 0;

  /// Forgets the positions of `slot` from `length` on. Requires 0 ≤ length ≤ length(slot). At most a step for each
  /// block of positions.
  virtual void truncate(Slot slot, Position length) = 0;

  /// Slots whose texts begin alike can share what is computed of that, in blocks of so many positions.
  static constexpr Position block_positions = 64;

  /// Instead of what it holds, `to` holds the first `length` ≤ length(from) positions of another slot, whole blocks of
  /// them. Returns how many.
  virtual Position share(Slot from, Slot to, Position length) = 0;

  /// One pass over the rows of all segments: appends their keys and values to their slots and writes, segment by
  /// segment, the next token after each of the last `outputs` rows, the most likely one (ties: the lower id) or as the
  /// model samples, to `next` [sum of outputs]. Token ids must be < vocabulary_size(), and begin + rows ≤
  /// context_length().
  /// `keep_going`, if there is one, is asked twice a layer and while the tokens are chosen. Once it answers no,
  /// the pass is given up: forward() returns false, every slot is as long as before the call, and `next` is undefined.
  /// A pass that ran to its end returns true.
  /// `probabilities` [sum of outputs], if there are any, gets the chance that the model gives its most likely token at
  /// each place, before sampling; it is left alone by a model that does not tell.
  virtual bool forward(std::span<const Segment> segments, std::span<Token> next, const KeepGoing& keep_going = {},
                       std::span<float> probabilities = {}) = 0;
};

}  // namespace pipespec::model
