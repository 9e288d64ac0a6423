#include "ops/argmax.hpp"

#include <limits>

#include "core/error.hpp"

namespace pipespec::ops {

void argmax(MatrixView<const float> logits, Token first_token, std::span<Best> best) {
  expect(static_cast<std::int64_t>(best.size()) == logits.rows, "one result a row");
  for (std::int64_t row = 0; row < logits.rows; ++row) {
    Best result{-std::numeric_limits<float>::infinity(), first_token};
    for (std::int64_t i = 0; i < logits.cols; ++i)
      if (logits.row(row)[i] > result.value) result = {logits.row(row)[i], first_token + static_cast<Token>(i)};
    best[static_cast<std::size_t>(row)] = result;
  }
}

}  // namespace pipespec::ops
