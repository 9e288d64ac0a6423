#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kv_cache_host.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include <algorithm>

#include "core/error.hpp"
#include "ops/attention.hpp"
#include "ops/kv_layout.hpp"
#include "ops/lanes_inl.hpp"
#include "ops/row_loop.hpp"

HWY_BEFORE_NAMESPACE();
namespace pipespec::ops::HWY_NAMESPACE {

HWY_INLINE void keep(const Lanes& x, float* to) {
  store(x, to);
}
HWY_INLINE void keep(const Lanes& x, std::uint16_t* to) {
  constexpr float largest_half = 65504;
  store_half(min(max(x, broadcast(-largest_half)), broadcast(largest_half)), to);
}

template <class Kept>
void store_row(const KvView& cache, Position position, const float* HWY_RESTRICT k, const float* HWY_RESTRICT v) {
  const KvLayout layout(cache);
  auto* kept = reinterpret_cast<Kept*>(cache.data);
  for (int head = 0; head < cache.kv_heads; ++head, k += cache.head_dim, v += cache.head_dim) {
    Kept* key = kept + layout.key(head, position, 0);
    Kept* value = kept + layout.value(head, position);
    for (int d = 0; d < cache.head_dim; d += 16) {
      const int count = std::min(16, cache.head_dim - d);
      HWY_ALIGN Kept part[16];
      keep(load_first(k + d, count), part);
      for (int i = 0; i < count; ++i) key[(d + i) * 16] = part[i];
      keep(load_first(v + d, count), part);
      std::copy_n(part, count, value + d);
    }
  }
}

void store_rows(const KvView& cache, Position begin, const MatrixView<const float>& k, const MatrixView<const float>& v,
                std::int64_t first, std::int64_t last) {
  for (std::int64_t row = first; row < last; ++row) {
    const auto position = static_cast<Position>(begin + row);
    if (cache.type == KvType::f32)
      store_row<float>(cache, position, k.row(row), v.row(row));
    else
      store_row<std::uint16_t>(cache, position, k.row(row), v.row(row));
  }
}

}  // namespace pipespec::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pipespec::ops {

HWY_EXPORT(store_rows);

std::int64_t KvView::bytes(KvType type, int kv_heads, int head_dim, Position capacity) {
  const std::int64_t size = KvLayout(kv_heads, head_dim, capacity).size() * (type == KvType::f32 ? 4 : 2);
  return (size + 63) / 64 * 64;
}

void store_kv(device::Stream& stream, const KvView& cache, Position begin, MatrixView<const float> k,
              MatrixView<const float> v) {
  const std::int64_t width = std::int64_t{cache.kv_heads} * cache.head_dim;
  expect(k.cols == width && v.cols == width && k.rows == v.rows, "keys and values have the cache's heads");
  expect(cache.capacity % 16 == 0 && begin >= 0 && begin + k.rows <= cache.capacity, "the positions are in the cache");
  // Sixteen positions share cache lines, so they are one thread's.
  const std::int64_t offset = begin % 16, blocks = (offset + k.rows + 15) / 16;
  for_rows(stream, blocks, 16 * 2 * width, [&](std::int64_t first, std::int64_t last) {
    HWY_DYNAMIC_DISPATCH(store_rows)
    (cache, begin, k, v, std::max(first * 16 - offset, std::int64_t{0}), std::min(last * 16 - offset, k.rows));
  });
}

}  // namespace pipespec::ops
#endif
