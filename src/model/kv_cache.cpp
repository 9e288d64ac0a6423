#include "model/kv_cache.hpp"

#include <algorithm>
#include <cstring>

#include "core/error.hpp"

namespace pipespec::model {

using ops::KvView;

namespace {

static_assert(KvView::block_positions == LanguageModel::block_positions, "slots share the blocks of the cache");

std::int64_t block_bytes(const KvCache::Extents& e) {
  return KvView::block_bytes(e.type, e.kv_heads, e.head_dim);
}

std::int64_t block_count(const KvCache::Extents& e) {
  return std::int64_t{e.slots} * KvView::blocks_of(e.context);
}

}  // namespace

KvCache::KvCache(const Extents& extents)
    : extents_(extents),
      block_bytes_(block_bytes(extents)),
      storage_(static_cast<std::size_t>(bytes(extents))),
      lengths_(static_cast<std::size_t>(extents.slots)),
      blocks_(static_cast<std::size_t>(extents.slots)),
      users_(static_cast<std::size_t>(block_count(extents))) {
  for (std::vector<Block>& blocks : blocks_)
    blocks.reserve(static_cast<std::size_t>(KvView::blocks_of(extents.context)));
  for (auto block = static_cast<Block>(users_.size()); block-- > 0;) free_.push_back(block);
}

std::int64_t KvCache::bytes(const Extents& extents) {
  return block_count(extents) * extents.layers * block_bytes(extents);
}

KvView KvCache::outline(const Extents& e) {
  return {nullptr, nullptr, e.type, e.kv_heads, e.head_dim, KvView::blocks_of(e.context) * KvView::block_positions};
}

Position KvCache::length(Slot slot) const {
  expect(slot >= 0 && slot < extents_.slots, "the slot exists");
  return lengths_[static_cast<std::size_t>(slot)];
}

std::byte* KvCache::data(int layer, Block block) {
  return storage_.data() + (layer * static_cast<std::int64_t>(users_.size()) + block) * block_bytes_;
}

KvCache::Block KvCache::take_block() {
  expect(!free_.empty(), "there are blocks for all slots");
  const Block block = free_.back();
  free_.pop_back();
  users_[static_cast<std::size_t>(block)] = 1;
  return block;
}

void KvCache::drop_blocks(std::vector<Block>& blocks, std::size_t first) {
  while (blocks.size() > first) {
    if (--users_[static_cast<std::size_t>(blocks.back())] == 0) free_.push_back(blocks.back());
    blocks.pop_back();
  }
}

void KvCache::reserve(Slot slot, Position begin, Position end) {
  std::vector<Block>& blocks = blocks_.at(static_cast<std::size_t>(slot));
  expect(0 <= begin && begin <= std::ssize(blocks) * KvView::block_positions && begin <= end && end <= extents_.context,
         "the slot has room for the positions");
  for (auto i = static_cast<std::size_t>(begin / KvView::block_positions);
       i < static_cast<std::size_t>(KvView::blocks_of(end)); ++i) {
    if (i == blocks.size()) {
      blocks.push_back(take_block());
    } else if (users_[static_cast<std::size_t>(blocks[i])] > 1) {
      const Block own = take_block();
      for (int layer = 0; layer < extents_.layers; ++layer)
        std::memcpy(data(layer, own), data(layer, blocks[i]), static_cast<std::size_t>(block_bytes_));
      --users_[static_cast<std::size_t>(blocks[i])];
      blocks[i] = own;
    }
  }
}

void KvCache::extend(Slot slot, Position rows) {
  const Position length = this->length(slot) + rows;
  expect(rows >= 0 && KvView::blocks_of(length) <= std::ssize(blocks_[static_cast<std::size_t>(slot)]) &&
             length <= extents_.context,
         "the slot has room for the rows");
  lengths_[static_cast<std::size_t>(slot)] = length;
}

void KvCache::truncate(Slot slot, Position length) {
  expect(length >= 0 && length <= this->length(slot), "a slot is truncated to at most its length");
  lengths_[static_cast<std::size_t>(slot)] = length;
  drop_blocks(blocks_[static_cast<std::size_t>(slot)], static_cast<std::size_t>(KvView::blocks_of(length)));
}

Position KvCache::share(Slot from, Slot to, Position length) {
  expect(from != to && length >= 0 && length <= this->length(from), "another slot's positions are shared");
  truncate(to, 0);
  const auto whole = length / KvView::block_positions;
  const std::vector<Block>& theirs = blocks_[static_cast<std::size_t>(from)];
  std::vector<Block>& own = blocks_[static_cast<std::size_t>(to)];
  own.assign(theirs.begin(), theirs.begin() + whole);
  for (const Block block : own) ++users_[static_cast<std::size_t>(block)];
  return lengths_[static_cast<std::size_t>(to)] = whole * KvView::block_positions;
}

KvView KvCache::view(Slot slot, int layer) {
  expect(slot >= 0 && slot < extents_.slots && layer >= 0 && layer < extents_.layers, "the slot and the layer exist");
  const std::vector<Block>& blocks = blocks_[static_cast<std::size_t>(slot)];
  KvView view = outline(extents_);
  view.data = data(layer, 0);
  view.blocks = blocks.data();
  view.capacity = static_cast<Position>(blocks.size()) * KvView::block_positions;
  return view;
}

}  // namespace pipespec::model
