/// Places in a block of a KvView.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/attention.hpp"

namespace pipespec::ops {

// A block is [kv_heads] parts, each of one of the two layouts below; `position` counts from the block's first.

/// Offsets in elements from the start of a head's part, of f32 or f16:
///   keys    [positions/16][head_dim][16 positions]
///   values  [positions][head_dim filled up to a multiple of 16]
struct KvLayout {
  explicit KvLayout(int dim) : head_dim(dim), value_width((dim + 15) / 16 * 16) {}

  std::int64_t key(std::int64_t position, std::int64_t d) const {
    return (position / 16 * head_dim + d) * 16 + position % 16;
  }
  /// Of element 0; the others follow.
  std::int64_t value(std::int64_t position) const {
    return KvView::block_positions * head_dim + position * value_width;
  }
  std::int64_t size() const { return value(KvView::block_positions); }

  std::int64_t head_dim;
  std::int64_t value_width;  ///< head_dim filled up to a multiple of 16
};

/// Offsets in bytes from the start of a head's part, of int8. Codes are stored with 128 added, in tiles like those of
/// an 8-bit PackedMatrix, 32 inputs × 16 outputs: the inputs of scores are the elements of a key and the outputs 16
/// positions; the inputs of the weighted sums are 32 positions and the outputs 16 elements of a value.
///   key codes     [positions/16][head_dim/32, rounded up] tiles
///   value codes   [positions/32][head_dim/16, rounded up] tiles
///   key scales    [positions/16][head_dim/32, rounded up][16 positions] f16
///   value scales  [positions/32][32 positions] f16
struct KvTileLayout {
  static constexpr std::int64_t tile_bytes = 32 * 16;
  static constexpr std::int64_t position_tiles = KvView::block_positions / 16;
  static constexpr std::int64_t position_blocks = KvView::block_positions / 32;

  explicit KvTileLayout(int dim) : key_blocks((dim + 31) / 32), value_tiles((dim + 15) / 16) {}

  /// The tile of elements 32·block … of the positions 16·tile ….
  std::int64_t key_codes(std::int64_t tile, std::int64_t block) const {
    return (tile * key_blocks + block) * tile_bytes;
  }
  /// The tile of elements 16·tile … of the positions 32·block ….
  std::int64_t value_codes(std::int64_t block, std::int64_t tile) const {
    return key_codes(position_tiles, 0) + (block * value_tiles + tile) * tile_bytes;
  }
  /// The scales that belong to key_codes of the same place.
  std::int64_t key_scales(std::int64_t tile, std::int64_t block) const {
    return value_codes(position_blocks, 0) + (tile * key_blocks + block) * 32;
  }
  /// The scales of the positions 32·block ….
  std::int64_t value_scales(std::int64_t block) const { return key_scales(position_tiles, 0) + block * 64; }
  std::int64_t size() const { return value_scales(position_blocks); }

  std::int64_t key_blocks, value_tiles;
};

/// Bytes of a head's part of a block.
inline std::int64_t head_bytes(KvType type, int head_dim) {
  if (type == KvType::int8) return KvTileLayout(head_dim).size();
  return KvLayout(head_dim).size() * (type == KvType::f32 ? 4 : 2);
}

/// A head's part of the block number `index` of the sequence.
inline std::byte* head_of_block(const KvView& cache, std::int64_t index, std::int64_t kv_head) {
  return cache.data +
         (cache.blocks[index] * std::int64_t{cache.kv_heads} + kv_head) * head_bytes(cache.type, cache.head_dim);
}

/// Where input `input` of output `output` lies in a tile: four inputs of an output are neighbours.
constexpr std::int64_t place_in_tile(std::int64_t input, std::int64_t output) {
  return input / 4 * 64 + output * 4 + input % 4;
}

}  // namespace pipespec::ops
