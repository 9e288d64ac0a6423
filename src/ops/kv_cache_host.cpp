#include <algorithm>

#include "core/error.hpp"
#include "ops/attention.hpp"
#include "ops/half.hpp"
#include "ops/kv_layout.hpp"

namespace pipespec::ops {
namespace {

float keep_as(float value, float) {
  return value;
}
std::uint16_t keep_as(float value, std::uint16_t) {
  return float_to_half(std::clamp(value, -65504.0f, 65504.0f));
}

template <class Kept>
void store_row(const KvView& cache, Position position, const float* k, const float* v) {
  const KvLayout layout(cache);
  auto* kept = reinterpret_cast<Kept*>(cache.data);
  for (int head = 0; head < cache.kv_heads; ++head, k += cache.head_dim, v += cache.head_dim) {
    Kept* key = kept + layout.key(head, position, 0);
    Kept* value = kept + layout.value(head, position);
    for (int d = 0; d < cache.head_dim; ++d) {
      key[d * 16] = keep_as(k[d], Kept{});
      value[d] = keep_as(v[d], Kept{});
    }
  }
}

}  // namespace

std::int64_t KvView::bytes(KvType type, int kv_heads, int head_dim, Position capacity) {
  const std::int64_t size = KvLayout(kv_heads, head_dim, capacity).size() * (type == KvType::f32 ? 4 : 2);
  return (size + 63) / 64 * 64;
}

void store_kv(device::Stream& stream, const KvView& cache, Position begin, MatrixView<const float> k,
              MatrixView<const float> v) {
  const std::int64_t width = std::int64_t{cache.kv_heads} * cache.head_dim;
  expect(k.cols == width && v.cols == width && k.rows == v.rows, "keys and values have the cache's heads");
  expect(cache.capacity % 16 == 0 && begin >= 0 && begin + k.rows <= cache.capacity, "the positions are in the cache");
  stream.pool().parallel_for(k.rows, [&](std::int64_t row, std::int64_t end) {
    for (; row < end; ++row) {
      const auto position = static_cast<Position>(begin + row);
      if (cache.type == KvType::f32)
        store_row<float>(cache, position, k.row(row), v.row(row));
      else
        store_row<std::uint16_t>(cache, position, k.row(row), v.row(row));
    }
  });
}

}  // namespace pipespec::ops
