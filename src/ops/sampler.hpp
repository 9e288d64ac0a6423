/// Draws tokens from logits with noise that depends on nothing but its place.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/sampling.hpp"
#include "core/types.hpp"
#include "device/device.hpp"
#include "ops/matrix_view.hpp"

namespace pipespec::ops {

/// Where a token is drawn.
struct DrawPlace {
  std::uint64_t sequence = 0;     ///< which noise: the same for the same sequence at every stage and in every run
  Position position = 0;          ///< of the token to be drawn
  std::span<const Token> recent;  ///< what the repetition penalty looks at; tokens beyond the vocabulary do not count
};

/// Token = argmax(logit/T + g) over the tokens that the filters leave, with Gumbel noise g = −ln(−ln u): a draw from
/// the softmax (Gumbel 1954; "the Gumbel-max trick"). u = (x + 0.5)/2^32 with x from Philox4x32-10, key = seed, counter
/// = (token/64·16 + token%16, position, sequence low, sequence high), word token/16%4. So stages that share the noise
/// draw the same token wherever their logits agree well enough (Daliri, Musco, Suresh, arXiv 2408.07978), and the token
/// does not depend on time, chain, batch or threads. Ties: the lower token. The same bits on every instruction set. Not
/// thread-safe.
class Sampler {
 public:
  /// For at most `rows` rows of `columns` logits at once. Column i is the logit of token listed[i], where listed
  /// [columns] ascends and must outlive the sampler, or of token i where it is empty. The other tokens are not drawn.
  Sampler(const Sampling& sampling, std::int64_t rows, std::int64_t columns, std::span<const Token> listed = {});

  /// Memory of a sampler made with these arguments.
  static std::int64_t bytes(const Sampling& sampling, std::int64_t rows, std::int64_t columns);

  /// logits [rows, columns], finite or −∞, are used up; places and tokens [rows].
  void draw(device::Stream& stream, MatrixView<float> logits, std::span<const DrawPlace> places,
            std::span<Token> tokens);

 private:
  void penalise(std::span<float> logits, std::span<const Token> recent, std::span<Token> distinct) const;
  void filter(std::span<float> logits, std::span<Best> candidates) const;
  bool has_filter() const { return sampling_.top_k > 0 || sampling_.top_p < 1 || sampling_.min_p > 0; }

  Sampling sampling_;
  std::int64_t columns_;
  std::span<const Token> listed_;  // [columns] or empty
  std::vector<Best> candidates_;   // [rows, columns] if there is a filter
  std::vector<Token> distinct_;    // [rows, repetition window] if there is a penalty
};

}  // namespace pipespec::ops
