#include "model/kv_cache.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "core/error.hpp"

namespace pipespec::model {
namespace {

const KvCache::Extents small{.slots = 2, .layers = 3, .kv_heads = 2, .head_dim = 8, .context = 150};

void grow(KvCache& cache, Slot slot, Position rows) {
  cache.reserve(slot, cache.length(slot), cache.length(slot) + rows);
  cache.extend(slot, rows);
}

/// Where the blocks of a slot lie in a layer.
std::vector<std::byte*> places(KvCache& cache, Slot slot, int layer) {
  const ops::KvView view = cache.view(slot, layer);
  const std::int64_t bytes = ops::KvView::block_bytes(view.type, view.kv_heads, view.head_dim);
  std::vector<std::byte*> places;
  for (int i = 0; i < view.capacity / ops::KvView::block_positions; ++i)
    places.push_back(view.data + view.blocks[i] * bytes);
  return places;
}

TEST(KvCache, EveryBlockOfASlotAndLayerHasStorageOfItsOwn) {
  KvCache cache(small);
  std::set<const std::byte*> all;
  for (Slot slot = 0; slot < small.slots; ++slot) {
    grow(cache, slot, small.context);
    for (int layer = 0; layer < small.layers; ++layer) {
      for (const std::byte* place : places(cache, slot, layer)) all.insert(place);
    }
  }
  EXPECT_EQ(all.size(), 2u * 3 * 3) << "150 positions take three blocks";
  const std::int64_t block = KvCache::bytes(small) / 18;
  for (const std::byte* place : all) EXPECT_EQ((place - *all.begin()) % block, 0) << "blocks do not overlap";
}

TEST(KvCache, AViewHasRoomForWhatIsReserved) {
  KvCache cache(small);
  EXPECT_EQ(cache.view(1, 2).capacity, 0);
  cache.reserve(1, 0, 65);
  EXPECT_EQ(cache.view(1, 2).capacity, 128);
  EXPECT_EQ(cache.view(1, 2).kv_heads, 2);
  EXPECT_EQ(cache.view(1, 2).head_dim, 8);
}

TEST(KvCache, LengthsAreCountedPerSlot) {
  KvCache cache(small);
  grow(cache, 0, 20);
  grow(cache, 1, 5);
  grow(cache, 1, 2);
  EXPECT_EQ(cache.length(0), 20);
  EXPECT_EQ(cache.length(1), 7);
  cache.truncate(1, 3);
  EXPECT_EQ(cache.length(1), 3);
  grow(cache, 1, 147);
  EXPECT_EQ(cache.length(1), 150);
}

TEST(KvCache, BlocksAreTakenAsASlotGrowsAndGivenBack) {
  KvCache cache(small);
  EXPECT_EQ(cache.used_blocks(), 0);
  grow(cache, 0, 64);
  EXPECT_EQ(cache.used_blocks(), 1);
  grow(cache, 0, 1);
  EXPECT_EQ(cache.used_blocks(), 2);
  cache.truncate(0, 64);
  EXPECT_EQ(cache.used_blocks(), 1);
  cache.truncate(0, 0);
  EXPECT_EQ(cache.used_blocks(), 0);
}

TEST(KvCache, SlotsShareWholeBlocks) {
  KvCache cache(small);
  grow(cache, 0, 150);
  grow(cache, 1, 10);
  EXPECT_EQ(cache.share(0, 1, 140), 128);
  EXPECT_EQ(cache.length(1), 128);
  EXPECT_EQ(cache.used_blocks(), 3) << "what slot 1 held is forgotten";
  for (int layer = 0; layer < small.layers; ++layer) {
    const auto theirs = places(cache, 0, layer), own = places(cache, 1, layer);
    EXPECT_TRUE(std::equal(own.begin(), own.end(), theirs.begin()));
  }
  grow(cache, 1, 22);
  EXPECT_NE(places(cache, 0, 0)[2], places(cache, 1, 0)[2]) << "what comes behind is its own";
}

TEST(KvCache, WhatIsSharedOutlivesWhoSharedIt) {
  KvCache cache(small);
  grow(cache, 0, 64);
  const std::byte* block = places(cache, 0, 0)[0];
  cache.share(0, 1, 64);
  cache.truncate(0, 0);
  EXPECT_EQ(cache.used_blocks(), 1);
  grow(cache, 0, 64);
  EXPECT_NE(places(cache, 0, 0)[0], block) << "it is still slot 1's";
  EXPECT_EQ(places(cache, 1, 0)[0], block);
}

TEST(KvCache, ASharedBlockIsCopiedBeforeItIsWritten) {
  KvCache cache(small);
  grow(cache, 0, 64);
  for (int layer = 0; layer < small.layers; ++layer) *places(cache, 0, layer)[0] = std::byte(7 + layer);
  cache.share(0, 1, 64);
  cache.truncate(1, 30);
  cache.reserve(1, 30, 40);
  for (int layer = 0; layer < small.layers; ++layer) {
    EXPECT_NE(places(cache, 0, layer)[0], places(cache, 1, layer)[0]);
    EXPECT_EQ(*places(cache, 1, layer)[0], std::byte(7 + layer)) << "the positions before those to be written";
  }
}

TEST(KvCache, HasBlocksForAllSlotsToBeFull) {
  KvCache cache(small);
  for (int round = 0; round < 3; ++round) {
    grow(cache, 0, 150);
    cache.share(0, 1, 150);
    cache.truncate(1, 1);
    grow(cache, 1, 149);
    EXPECT_EQ(cache.used_blocks(), 6);
    cache.truncate(round % 2, 0);
    cache.truncate(1 - round % 2, 0);
    EXPECT_EQ(cache.used_blocks(), 0);
  }
}

/// Slots that grow, are cut and share at random, against plain texts: a token a position, written to the first bytes of
/// its block.
TEST(KvCache, HoldsWhatEverySlotWrote) {
  const KvCache::Extents extents{.slots = 4, .layers = 1, .kv_heads = 1, .head_dim = 16, .context = 200};
  std::mt19937 random(1);
  KvCache cache(extents);
  std::vector<std::vector<std::byte>> texts(4);
  const auto at = [&](Slot slot, Position position) -> std::byte& {
    return places(cache, slot, 0)[static_cast<std::size_t>(position / 64)][position % 64];
  };
  for (int step = 0; step < 3000; ++step) {
    const auto slot = static_cast<Slot>(random() % 4), other = static_cast<Slot>((slot + 1 + random() % 3) % 4);
    std::vector<std::byte>& text = texts[static_cast<std::size_t>(slot)];
    const Position length = cache.length(slot);
    if (random() % 3 == 0) {
      text.resize(random() % (text.size() + 1));
      cache.truncate(slot, static_cast<Position>(text.size()));
    } else if (random() % 4 == 0) {
      const auto& theirs = texts[static_cast<std::size_t>(other)];
      const Position held = cache.share(other, slot, cache.length(other));
      text.assign(theirs.begin(), theirs.begin() + held);
    } else {
      const auto rows = static_cast<Position>(random() % 40);
      if (length + rows > extents.context) continue;
      cache.reserve(slot, length, length + rows);
      for (Position i = 0; i < rows; ++i) at(slot, length + i) = text.emplace_back(std::byte(random()));
      if (random() % 5 == 0) text.resize(static_cast<std::size_t>(length));  // the pass is given up
      cache.extend(slot, static_cast<Position>(text.size()) - length);
      cache.truncate(slot, static_cast<Position>(text.size()));
    }
    for (Slot s = 0; s < 4; ++s) {
      const std::vector<std::byte>& expected = texts[static_cast<std::size_t>(s)];
      ASSERT_EQ(cache.length(s), std::ssize(expected));
      for (Position p = 0; p < cache.length(s); ++p) ASSERT_EQ(at(s, p), expected[static_cast<std::size_t>(p)]) << step;
    }
  }
}

TEST(KvCache, NothingGoesBeyondTheContextOrTheLength) {
  KvCache cache(small);
  grow(cache, 0, 149);
  EXPECT_THROW(cache.reserve(0, 149, 151), ContractError);
  EXPECT_THROW(cache.extend(0, 2), ContractError);
  EXPECT_THROW(cache.extend(1, 1), ContractError) << "no room was made";
  EXPECT_THROW(cache.reserve(1, 65, 66), ContractError) << "a gap";
  EXPECT_THROW(cache.truncate(0, 150), ContractError);
  EXPECT_THROW(cache.truncate(0, -1), ContractError);
  EXPECT_THROW(cache.share(0, 0, 1), ContractError);
  EXPECT_THROW(cache.share(0, 1, 150), ContractError);
  EXPECT_THROW(cache.length(2), ContractError);
  EXPECT_THROW(cache.view(0, 3), ContractError);
}

}  // namespace
}  // namespace pipespec::model
