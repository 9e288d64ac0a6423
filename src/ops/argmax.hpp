/// The most likely token.
#pragma once

#include <span>

#include "core/types.hpp"
#include "ops/matrix_view.hpp"

namespace pipespec::ops {

/// Whether `a` goes before `b`: larger value; ties: lower token.
inline bool better(const Best& a, const Best& b) {
  return a.value > b.value || (a.value == b.value && a.token < b.token);
}

/// The largest of each row of logits [rows, vocabulary] and its token, first_token + column. NaN is never the largest;
/// a row of nothing else gives first_token with value −∞. best: [rows].
void argmax(MatrixView<const float> logits, Token first_token, std::span<Best> best);

}  // namespace pipespec::ops
