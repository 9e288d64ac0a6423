#include "model/kv_cache.hpp"

#include "core/error.hpp"

namespace pipespec::model {
namespace {

std::int64_t view_bytes(const KvCache::Extents& e) {
  const ops::KvView view = KvCache::outline(e);
  return ops::KvView::bytes(view.type, view.kv_heads, view.head_dim, view.capacity);
}

}  // namespace

KvCache::KvCache(const Extents& extents)
    : extents_(extents),
      storage_(static_cast<std::size_t>(bytes(extents))),
      lengths_(static_cast<std::size_t>(extents.slots)) {}

std::int64_t KvCache::bytes(const Extents& extents) {
  return std::int64_t{extents.slots} * extents.layers * view_bytes(extents);
}

ops::KvView KvCache::outline(const Extents& e) {
  return {nullptr, e.type, e.kv_heads, e.head_dim, ops::KvView::round_up(e.context)};
}

Position KvCache::length(Slot slot) const {
  expect(slot >= 0 && slot < extents_.slots, "the slot exists");
  return lengths_[static_cast<std::size_t>(slot)];
}

void KvCache::extend(Slot slot, Position rows) {
  expect(rows >= 0 && rows <= extents_.context - length(slot), "the slot has room for the rows");
  lengths_[static_cast<std::size_t>(slot)] += rows;
}

void KvCache::truncate(Slot slot, Position length) {
  expect(length >= 0 && length <= this->length(slot), "a slot is truncated to at most its length");
  lengths_[static_cast<std::size_t>(slot)] = length;
}

ops::KvView KvCache::view(Slot slot, int layer) {
  expect(slot >= 0 && slot < extents_.slots && layer >= 0 && layer < extents_.layers, "the slot and the layer exist");
  const std::int64_t index = std::int64_t{slot} * extents_.layers + layer;
  ops::KvView view = outline(extents_);
  view.data = storage_.data() + index * view_bytes(extents_);
  return view;
}

}  // namespace pipespec::model
