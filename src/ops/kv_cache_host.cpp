#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kv_cache_host.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include <algorithm>
#include <cstring>

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
  const KvLayout layout(cache.head_dim);
  const Position place = position % KvView::block_positions;
  for (int head = 0; head < cache.kv_heads; ++head, k += cache.head_dim, v += cache.head_dim) {
    auto* kept = reinterpret_cast<Kept*>(head_of_block(cache, position / KvView::block_positions, head));
    Kept* key = kept + layout.key(place, 0);
    Kept* value = kept + layout.value(place);
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

/// Rounds `count` elements of x to codes of 8 bits, 128 added, and hands each with its number to `keep`; returns the
/// scale.
template <class Keep>
HWY_INLINE std::uint16_t round_codes(const float* HWY_RESTRICT x, int count, Keep keep) {
  constexpr float largest_half = 65504;
  Lanes largest = zero();
  for (int d = 0; d < count; d += 16) largest = max(largest, abs(load_first(x + d, count - d)));
  const std::uint16_t scale = float_to_half(std::min(max_of_lanes(largest) / 127.0f, largest_half));
  const float rounded = half_to_float(scale);
  const Lanes inverse = broadcast(rounded > 0 ? 1.0f / rounded : 0.0f), most = broadcast(127);
  for (int d = 0; d < count; d += 16) {
    HWY_ALIGN std::int32_t codes[16];
    const Lanes scaled = mul(load_first(x + d, count - d), inverse);
    store_nearest(max(min(scaled, most), broadcast(-127)), codes);
    for (int i = 0; i < std::min(16, count - d); ++i) keep(d + i, static_cast<std::uint8_t>(codes[i] + 128));
  }
  return scale;
}

void store_row_codes(const KvView& cache, Position position, const float* HWY_RESTRICT k, const float* HWY_RESTRICT v) {
  const KvTileLayout layout(cache.head_dim);
  const Position place = position % KvView::block_positions;
  for (int head = 0; head < cache.kv_heads; ++head, k += cache.head_dim, v += cache.head_dim) {
    auto* bytes = reinterpret_cast<std::uint8_t*>(head_of_block(cache, position / KvView::block_positions, head));
    for (std::int64_t block = 0; block < layout.key_blocks; ++block) {
      std::uint8_t* tile = bytes + layout.key_codes(place / 16, block);
      const int count = std::min(32, cache.head_dim - static_cast<int>(block) * 32);
      const std::uint16_t scale = round_codes(
          k + block * 32, count, [&](int d, std::uint8_t code) { tile[place_in_tile(d, place % 16)] = code; });
      std::memcpy(bytes + layout.key_scales(place / 16, block) + place % 16 * 2, &scale, 2);
    }
    const std::uint16_t scale = round_codes(v, cache.head_dim, [&](int d, std::uint8_t code) {
      bytes[layout.value_codes(place / 32, d / 16) + place_in_tile(place % 32, d % 16)] = code;
    });
    std::memcpy(bytes + layout.value_scales(place / 32) + place % 32 * 2, &scale, 2);
  }
}

void store_rows(const KvView& cache, Position begin, const MatrixView<const float>& k, const MatrixView<const float>& v,
                std::int64_t first, std::int64_t last) {
  for (std::int64_t row = first; row < last; ++row) {
    const auto position = static_cast<Position>(begin + row);
    switch (cache.type) {
      case KvType::f32:
        store_row<float>(cache, position, k.row(row), v.row(row));
        break;
      case KvType::f16:
        store_row<std::uint16_t>(cache, position, k.row(row), v.row(row));
        break;
      case KvType::int8:
        store_row_codes(cache, position, k.row(row), v.row(row));
        break;
    }
  }
}

}  // namespace pipespec::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pipespec::ops {

HWY_EXPORT(store_rows);

std::int64_t KvView::block_bytes(KvType type, int kv_heads, int head_dim) {
  return kv_heads * head_bytes(type, head_dim);
}

void store_kv(device::Stream& stream, std::span<const SequenceRows> sequences, MatrixView<const float> k,
              MatrixView<const float> v) {
  // Positions that share cache lines are one thread's.
  constexpr std::int64_t together = 32;
  const auto offset = [](const SequenceRows& rows) { return rows.begin % together; };
  const auto blocks = [&](const SequenceRows& rows) { return (offset(rows) + rows.rows + together - 1) / together; };
  std::int64_t all = 0;
  for (const SequenceRows& sequence : sequences) {
    const KvView& cache = sequence.cache;
    const std::int64_t width = std::int64_t{cache.kv_heads} * cache.head_dim;
    expect(k.cols == width && v.cols == width && k.rows == v.rows, "keys and values have the cache's heads");
    expect(cache.capacity % KvView::block_positions == 0 && sequence.begin >= 0 &&
               sequence.begin + sequence.rows <= cache.capacity,
           "the positions are in the cache");
    all += blocks(sequence);
  }
  for_rows(stream, all, together * 2 * k.cols, [&](std::int64_t begin, std::int64_t end) {
    std::int64_t before = 0;  // blocks of the sequences before
    for (const SequenceRows& sequence : sequences) {
      const std::int64_t from = std::max((begin - before) * together - offset(sequence), std::int64_t{0});
      const std::int64_t to = std::min((end - before) * together - offset(sequence), sequence.rows);
      if (from < to) HWY_DYNAMIC_DISPATCH(store_rows)
      (sequence.cache, sequence.begin, k.row_range(sequence.first_row, sequence.rows),
       v.row_range(sequence.first_row, sequence.rows), from, to);
      before += blocks(sequence);
    }
  });
}

}  // namespace pipespec::ops
#endif
