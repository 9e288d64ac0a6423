/// The keys and values of the sequences a model is decoding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/types.hpp"
#include "device/buffer.hpp"
#include "model/language_model.hpp"
#include "ops/attention.hpp"

namespace pipespec::model {

/// Keys and values of several sequences, in blocks of positions that are shared out as slots grow, and that slots whose
/// texts begin alike have in common (paged attention, W. Kwon et al. 2023, arXiv 2309.06180). A slot's length is set by
/// explicit calls only. After the constructor nothing allocates. Not thread-safe.
class KvCache {
 public:
  struct Extents {
    ops::KvType type = ops::KvType::f32;
    int slots = 0;
    int layers = 0;
    int kv_heads = 0;  ///< of this rank
    int head_dim = 0;
    Position context = 0;  ///< positions a slot has room for
  };

  explicit KvCache(const Extents& extents);

  /// Memory of a cache of these extents: for every slot to be full of a text of its own.
  static std::int64_t bytes(const Extents& extents);

  /// What view() of a cache of these extents looks like, without its memory.
  static ops::KvView outline(const Extents& extents);

  int slots() const { return extents_.slots; }
  Position context() const { return extents_.context; }
  Position length(Slot slot) const;

  /// Room for the positions [begin, end) of the slot, without a gap, to be written: blocks that no other slot has.
  void reserve(Slot slot, Position begin, Position end);

  /// Counts the next `rows` positions of the slot in: their keys and values are written in every layer.
  void extend(Slot slot, Position rows);

  /// Forgets the positions from `length` on.
  void truncate(Slot slot, Position length);

  /// Instead of what it holds, `to` holds the first positions of `from`, in common with it: of `length`, at most that
  /// of `from`, those in whole blocks. Returns how many these are.
  Position share(Slot from, Slot to, Position length);

  /// The storage of one layer of one slot, as far as there is room.
  ops::KvView view(Slot slot, int layer);

  /// Blocks that hold something.
  int used_blocks() const { return static_cast<int>(users_.size() - free_.size()); }

 private:
  using Block = std::int32_t;

  std::byte* data(int layer, Block block);
  Block take_block();
  void drop_blocks(std::vector<Block>& blocks, std::size_t first);

  Extents extents_;
  std::int64_t block_bytes_;
  device::Buffer<std::byte> storage_;       // [layers][blocks][block_bytes]
  std::vector<Position> lengths_;           // [slots]
  std::vector<std::vector<Block>> blocks_;  // [slots] in the order of their positions
  std::vector<int> users_;                  // [blocks] slots that have it
  std::vector<Block> free_;                 // the last is taken next
};

}  // namespace pipespec::model
