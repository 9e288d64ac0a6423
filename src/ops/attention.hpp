/// Causal attention over a cache of keys and values, with grouped queries (Ainslie et al. 2023).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/types.hpp"
#include "device/device.hpp"
#include "ops/matrix_view.hpp"

namespace pipespec::ops {

/// How keys and values are kept. int8: codes of 8 bits, value ≈ scale·code, with an f16 scale for 32 elements of a key
/// and for a whole value vector of a head, scale = max|x|/127; a little over half the memory of f16.
enum class KvType { f32, f16, int8 };

/// The keys and values of one sequence in one layer: blocks of a set number of positions in someone else's memory, laid
/// out by kv_layout.hpp. Sequences may have blocks in common.
struct KvView {
  static constexpr Position block_positions = 64;

  std::byte* data = nullptr;             ///< block 0 of the layer, 64-byte aligned; the others follow
  const std::int32_t* blocks = nullptr;  ///< [capacity/block_positions] those of the sequence, in its order
  KvType type = KvType::f32;
  int kv_heads = 0;
  int head_dim = 0;
  Position capacity = 0;  ///< positions; whole blocks

  /// Bytes of a block, a multiple of 64.
  static std::int64_t block_bytes(KvType type, int kv_heads, int head_dim);

  /// Blocks that so many positions take.
  static constexpr std::int32_t blocks_of(Position positions) {
    return (positions + block_positions - 1) / block_positions;
  }
};

/// The rows [first_row, first_row + rows) of a pass: those of one sequence, at the positions begin, begin+1, ….
struct SequenceRows {
  KvView cache;
  Position begin = 0;
  std::int64_t first_row = 0;
  std::int64_t rows = 0;
};

/// Writes keys and values k, v [rows, kv_heads·head_dim] (keys already turned by rope) of the sequences' rows to their
/// caches. Two of one cache meet at a multiple of 32 positions.
void store_kv(device::Stream& stream, std::span<const SequenceRows> sequences, MatrixView<const float> k,
              MatrixView<const float> v);

/// out = softmax(q·kᵀ/√head_dim)·v for every head of the sequences' rows of q, out [rows, heads·head_dim]. A row sees
/// its sequence up to its own position, all of which is stored. heads is a multiple of kv_heads; the heads of a group
/// share one kv head. The caches are alike but for their capacity. Positions are taken in splits of 64 on an absolute
/// grid and the splits combined in order, so a row's bits do not depend on the other rows, the threads or the
/// instruction set.
void attention(device::Stream& stream, std::span<const SequenceRows> sequences, MatrixView<const float> q,
               MatrixView<float> out);

/// The most scratch memory of its stream that attention() takes on caches like this one (its `data` may be null), with
/// `heads` query heads and any number of sequences and rows.
std::size_t attention_scratch_bytes(const KvView& cache, std::int64_t heads);

}  // namespace pipespec::ops
