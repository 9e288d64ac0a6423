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

/// Keys and values of several sequences: [slot][layer], each as ops::KvView lays them out. A slot's length is set by
/// explicit calls only. Not thread-safe.
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

  /// Memory of a cache of these extents when every slot is full.
  static std::int64_t bytes(const Extents& extents);

  /// What view() of a cache of these extents looks like, without its memory.
  static ops::KvView outline(const Extents& extents);

  int slots() const { return extents_.slots; }
  Position context() const { return extents_.context; }
  Position length(Slot slot) const;

  /// Counts the next `rows` positions of the slot in: their keys and values are written in every layer.
  void extend(Slot slot, Position rows);

  /// Forgets the positions from `length` on. O(1).
  void truncate(Slot slot, Position length);

  /// The storage of one layer of one slot.
  ops::KvView view(Slot slot, int layer);

 private:
  Extents extents_;
  device::Buffer<std::byte> storage_;  // [slots][layers][bytes of a view]
  std::vector<Position> lengths_;      // [slots]
};

}  // namespace pipespec::model
