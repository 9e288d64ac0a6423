/// Token embeddings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/types.hpp"
#include "device/device.hpp"
#include "ops/matrix_view.hpp"
#include "ops/weight_type.hpp"

namespace pipespec::ops {

/// An embedding table [vocabulary, width] as it is stored, row after row, in someone else's memory (a mapped file).
struct EmbeddingTable {
  WeightType type = WeightType::f32;
  std::span<const std::byte> stored;  ///< vocabulary · row_bytes(type, width) bytes, of any alignment
  std::int64_t vocabulary = 0;
  std::int64_t width = 0;
};

/// y[r] = row tokens[r] of the table, widened to f32. y [tokens, width]; 0 ≤ token < vocabulary.
void embed(device::Stream& stream, const EmbeddingTable& table, std::span<const Token> tokens, MatrixView<float> y);

}  // namespace pipespec::ops
