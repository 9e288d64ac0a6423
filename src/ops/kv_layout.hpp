/// Places in a KvView.
#pragma once

#include <cstdint>

#include "ops/attention.hpp"

namespace pipespec::ops {

/// Offsets in elements from the start of a cache of f32 or f16:
///   keys    [kv_heads][capacity/16][head_dim][16 positions]
///   values  [kv_heads][capacity][head_dim filled up to a multiple of 16]
struct KvLayout {
  explicit KvLayout(const KvView& cache) : KvLayout(cache.kv_heads, cache.head_dim, cache.capacity) {}
  KvLayout(int heads, int dim, Position positions)
      : kv_heads(heads), head_dim(dim), capacity(positions), value_width((dim + 15) / 16 * 16) {}

  std::int64_t key(std::int64_t kv_head, std::int64_t position, std::int64_t d) const {
    return ((kv_head * (capacity / 16) + position / 16) * head_dim + d) * 16 + position % 16;
  }
  /// Of element 0; the others follow.
  std::int64_t value(std::int64_t kv_head, std::int64_t position) const {
    return kv_heads * capacity * head_dim + (kv_head * capacity + position) * value_width;
  }
  std::int64_t size() const { return kv_heads * capacity * (head_dim + value_width); }

  std::int64_t kv_heads, head_dim, capacity;
  std::int64_t value_width;  ///< head_dim filled up to a multiple of 16
};

/// Offsets in bytes from the start of a cache of int8. Codes are stored with 128 added, in tiles like those of an 8-bit
/// PackedMatrix, 32 inputs × 16 outputs: the inputs of scores are the elements of a key and the outputs 16 positions;
/// the inputs of the weighted sums are 32 positions and the outputs 16 elements of a value.
///   key codes     [kv_heads][capacity/16][head_dim/32, rounded up] tiles
///   value codes   [kv_heads][capacity/32, rounded up][head_dim/16, rounded up] tiles
///   key scales    [kv_heads][capacity/16][head_dim/32, rounded up][16 positions] f16
///   value scales  [kv_heads][capacity/32, rounded up][32 positions] f16
struct KvTileLayout {
  static constexpr std::int64_t tile_bytes = 32 * 16;

  explicit KvTileLayout(const KvView& cache) : KvTileLayout(cache.kv_heads, cache.head_dim, cache.capacity) {}
  KvTileLayout(int heads, int dim, Position positions)
      : kv_heads(heads),
        position_tiles(positions / 16),
        position_blocks((positions + 31) / 32),
        key_blocks((dim + 31) / 32),
        value_tiles((dim + 15) / 16) {}

  /// The tile of elements 32·block … of the positions 16·tile ….
  std::int64_t key_codes(std::int64_t kv_head, std::int64_t tile, std::int64_t block) const {
    return ((kv_head * position_tiles + tile) * key_blocks + block) * tile_bytes;
  }
  /// The tile of elements 16·tile … of the positions 32·block ….
  std::int64_t value_codes(std::int64_t kv_head, std::int64_t block, std::int64_t tile) const {
    return key_codes(kv_heads, 0, 0) + ((kv_head * position_blocks + block) * value_tiles + tile) * tile_bytes;
  }
  /// The scales that belong to key_codes of the same place.
  std::int64_t key_scales(std::int64_t kv_head, std::int64_t tile, std::int64_t block) const {
    return value_codes(kv_heads, 0, 0) + ((kv_head * position_tiles + tile) * key_blocks + block) * 32;
  }
  /// The scales of the positions 32·block ….
  std::int64_t value_scales(std::int64_t kv_head, std::int64_t block) const {
    return key_scales(kv_heads, 0, 0) + (kv_head * position_blocks + block) * 64;
  }
  std::int64_t size() const { return value_scales(kv_heads, 0); }

  std::int64_t kv_heads, position_tiles, position_blocks, key_blocks, value_tiles;
};

/// Where input `input` of output `output` lies in a tile: four inputs of an output are neighbours.
constexpr std::int64_t place_in_tile(std::int64_t input, std::int64_t output) {
  return input / 4 * 64 + output * 4 + input % 4;
}

}  // namespace pipespec::ops
