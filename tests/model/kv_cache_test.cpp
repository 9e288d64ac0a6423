#include "model/kv_cache.hpp"

#include <gtest/gtest.h>

#include <set>

#include "core/error.hpp"

namespace pipespec::model {
namespace {

const KvCache::Extents small{.slots = 2, .layers = 3, .kv_heads = 2, .head_dim = 8, .context = 20};

TEST(KvCache, EverySlotAndLayerHasStorageOfItsOwn) {
  KvCache cache(small);
  std::set<const std::byte*> places;
  for (Slot slot = 0; slot < small.slots; ++slot)
    for (int layer = 0; layer < small.layers; ++layer) places.insert(cache.view(slot, layer).data);
  EXPECT_EQ(places.size(), 6u);
  const std::int64_t view_bytes = KvCache::bytes(small) / 6;
  for (const std::byte* place : places) EXPECT_EQ((place - *places.begin()) % view_bytes, 0) << "views do not overlap";
}

TEST(KvCache, AViewHasRoomForTheContext) {
  const ops::KvView view = KvCache(small).view(1, 2);
  EXPECT_GE(view.capacity, small.context);
  EXPECT_EQ(view.kv_heads, 2);
  EXPECT_EQ(view.head_dim, 8);
}

TEST(KvCache, LengthsAreCountedPerSlot) {
  KvCache cache(small);
  cache.extend(0, 20);
  cache.extend(1, 5);
  cache.extend(1, 2);
  EXPECT_EQ(cache.length(0), 20);
  EXPECT_EQ(cache.length(1), 7);
  cache.truncate(1, 3);
  EXPECT_EQ(cache.length(1), 3);
  cache.extend(1, 17);
  EXPECT_EQ(cache.length(1), 20);
}

TEST(KvCache, NothingGoesBeyondTheContextOrTheLength) {
  KvCache cache(small);
  cache.extend(0, 19);
  EXPECT_THROW(cache.extend(0, 2), ContractError);
  EXPECT_THROW(cache.truncate(0, 20), ContractError);
  EXPECT_THROW(cache.truncate(0, -1), ContractError);
  EXPECT_THROW(cache.length(2), ContractError);
  EXPECT_THROW(cache.view(0, 3), ContractError);
}

}  // namespace
}  // namespace pipespec::model
