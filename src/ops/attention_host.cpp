#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/attention_host.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include <algorithm>
#include <array>
#include <optional>

#include "core/error.hpp"
#include "ops/attention.hpp"
#include "ops/attention_floats_inl.hpp"
#include "ops/attention_job.hpp"
#include "ops/attention_tiles_inl.hpp"
#include "ops/lanes_inl.hpp"
#include "ops/row_loop.hpp"

HWY_BEFORE_NAMESPACE();
namespace pipespec::ops::HWY_NAMESPACE {

/// Items [begin, end); an item is (block of rows, split, kv head), the head changing fastest, as in memory.
void attend_items(const AttentionJob& job, std::int64_t begin, std::int64_t end) {
  for (std::int64_t item = begin; item < end; ++item) {
    const auto kv_head = static_cast<int>(item % job.cache.kv_heads);
    const std::int64_t split = item / job.cache.kv_heads % job.splits;
    const std::int64_t first_row = item / job.splits / job.cache.kv_heads * job.block_rows;
    // Rows before the split see none of it.
    const std::int64_t from = std::max(first_row, split * split_positions - job.begin);
    const std::int64_t to = std::min(first_row + job.block_rows, job.q.rows);
    if (job.cache.type == KvType::f32)
      attend_item<float>(job, kv_head, split, from * job.group, to * job.group);
    else
      attend_item<std::uint16_t>(job, kv_head, split, from * job.group, to * job.group);
  }
}

/// out[0, 16·vectors) = Σ over the splits, in order, of factor·values, divided by `sum`.
template <int vectors>
HWY_INLINE void mix(const SplitResult& first, std::int64_t splits, std::int64_t value_width, int offset,
                    const Lanes& sum, float* out, std::int64_t count) {
  Lanes mixed[vectors];
  for (auto& values : mixed) values = zero();
  const float* values = first.values + offset;
  for (std::int64_t s = 0; s < splits; ++s, values += value_width) {
    const Lanes factor = broadcast(first.largest[s]);
    PIPESPEC_UNROLL
    for (int v = 0; v < vectors; ++v) mixed[v] = fma(load(values + v * 16), factor, mixed[v]);
  }
  for (int v = 0; v < vectors; ++v) store_first(div(mixed[v], sum), out + offset + v * 16, count - offset - v * 16);
}

/// Combines the splits of the heads [begin, end), numbered row·heads + head.
void combine_heads(const AttentionJob& job, std::int64_t begin, std::int64_t end) {
  for (std::int64_t at = begin; at < end; ++at) {
    const std::int64_t row = at / job.heads(), head = at % job.heads();
    const std::int64_t splits = (job.begin + row) / split_positions + 1;
    const SplitResult first = job.head_result(row, head, 0);
    const float largest = *std::max_element(first.largest, first.largest + splits);
    Lanes sums = zero();
    for (std::int64_t s = 0; s < splits; s += 16) {
      const std::int64_t count = std::min<std::int64_t>(16, splits - s);
      const Lanes shifted = add(load_first(first.largest + s, count), broadcast(-largest));
      const Lanes factor = if_less(lane_numbers(), broadcast(static_cast<float>(count)), exp(shifted), zero());
      sums = fma(load_first(first.sum + s, count), factor, sums);
      store_first(factor, first.largest + s, count);
    }
    const Lanes sum = broadcast(sum_of_lanes(sums));
    const std::int64_t width = job.layout.value_width;
    float* out = job.out.row(row) + head * job.cache.head_dim;
    int d = 0;
    for (; d + 64 <= width; d += 64) mix<4>(first, splits, width, d, sum, out, job.cache.head_dim);
    for (; d < width; d += 16) mix<1>(first, splits, width, d, sum, out, job.cache.head_dim);
  }
}

}  // namespace pipespec::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pipespec::ops {

HWY_EXPORT(attend_items);
HWY_EXPORT(round_queries);
HWY_EXPORT(attend_tile_items);
HWY_EXPORT(combine_heads);

namespace {

/// Jobs that are done together, so that few rows of many sequences keep all threads busy. Allocates nothing.
class JobGroup {
  static constexpr std::size_t most = 32;

  template <class Items>
  std::int64_t items(const Items& of) const {
    std::int64_t all = 0;
    for (std::size_t j = 0; j < count_; ++j) all += of(*jobs_[j]);
    return all;
  }

  std::int64_t most_splits() const {
    std::int64_t most_of_all = 0;
    for (std::size_t j = 0; j < count_; ++j) most_of_all = std::max(most_of_all, jobs_[j]->splits);
    return most_of_all;
  }

  /// body(job, begin, end) for what a part [begin, end) of all items has of each job.
  template <class Items, class Body>
  auto parts(const Items& of, const Body& body) const {
    return [this, of, body](std::int64_t begin, std::int64_t end) {
      std::int64_t first = 0;  // of the job's items among all
      for (std::size_t j = 0; j < count_ && first < end; ++j) {
        const std::int64_t count = of(*jobs_[j]);
        const std::int64_t from = std::max(begin - first, std::int64_t{0}), to = std::min(end - first, count);
        if (from < to) body(*jobs_[j], from, to);
        first += count;
      }
    };
  }

 public:
  /// `limit`: of scratch memory, bytes; one job may take more.
  JobGroup(device::Stream& stream, std::size_t limit) : stream_(stream), limit_(limit) {}

  void add(const AttentionJob& job) {
    const std::size_t bytes = (job.scratch_bytes() + 63) / 64 * 64;
    if (count_ == most || (count_ > 0 && bytes_ + bytes > limit_)) run();
    offsets_[count_] = bytes_;
    jobs_[count_++] = job;
    bytes_ += bytes;
  }

  void run() {
    std::byte* scratch = stream_.scratch(bytes_).data();
    for (std::size_t j = 0; j < count_; ++j) jobs_[j]->scratch = scratch + offsets_[j];
    if (count_ == 0) return;
    if (jobs_[0]->cache.type == KvType::int8) {
      const auto groups = [](const AttentionJob& job) { return job.cache.kv_heads * job.query_groups; };
      for_rows(stream_, items(groups), queries_of_tiles * jobs_[0]->cache.head_dim, parts(groups, [](auto&&... part) {
                 HWY_DYNAMIC_DISPATCH(round_queries)
                 (part...);
               }));
      const auto tiles = [](const AttentionJob& job) { return job.cache.kv_heads * job.splits * job.query_groups; };
      stream_.pool().parallel_for(items(tiles), parts(tiles, [](auto&&... part) {
                                    HWY_DYNAMIC_DISPATCH(attend_tile_items)
                                    (part...);
                                  }));
    } else {
      const auto blocks = [](const AttentionJob& job) { return job.items(); };
      stream_.pool().parallel_for(items(blocks), parts(blocks, [](auto&&... part) {
                                    HWY_DYNAMIC_DISPATCH(attend_items)
                                    (part...);
                                  }));
    }
    const auto heads = [](const AttentionJob& job) { return job.q.rows * job.heads(); };
    for_rows(stream_, items(heads), most_splits() * jobs_[0]->layout.value_width, parts(heads, [](auto&&... part) {
               HWY_DYNAMIC_DISPATCH(combine_heads)
               (part...);
             }));
    count_ = bytes_ = 0;
  }

 private:
  device::Stream& stream_;
  std::size_t limit_;
  std::array<std::optional<AttentionJob>, most> jobs_;
  std::array<std::size_t, most> offsets_{};  // in the scratch memory
  std::size_t count_ = 0, bytes_ = 0;
};

}  // namespace

void attention(device::Stream& stream, std::span<const SequenceRows> sequences, MatrixView<const float> q,
               MatrixView<float> out) {
  if (sequences.empty()) return;
  KvView like = sequences.front().cache;
  for (const SequenceRows& rows : sequences) like.capacity = std::max(like.capacity, rows.cache.capacity);
  const std::int64_t width = std::int64_t{like.kv_heads} * like.head_dim;
  expect(q.cols % width == 0 && out.rows == q.rows && out.cols == q.cols, "queries have whole groups of heads");
  JobGroup group(stream, attention_scratch_bytes(like, q.cols / like.head_dim));
  for (const auto& [cache, begin, first_row, all_rows] : sequences) {
    expect(begin >= 0 && begin + all_rows <= cache.capacity, "the positions are in the cache");
    const auto own_q = q.row_range(first_row, all_rows);
    const auto own_out = out.row_range(first_row, all_rows);
    const std::int64_t row_bytes = AttentionJob(cache, begin, own_q, own_out).row_bytes();
    const std::int64_t rows_at_once = std::clamp(scratch_target / row_bytes, fewest_rows, most_rows);
    for (std::int64_t first = 0; first < all_rows; first += rows_at_once) {
      const std::int64_t rows = std::min(rows_at_once, all_rows - first);
      group.add(AttentionJob(cache, begin + static_cast<Position>(first), own_q.row_range(first, rows),
                             own_out.row_range(first, rows)));
    }
  }
  group.run();
}

std::size_t attention_scratch_bytes(const KvView& cache, std::int64_t heads) {
  const std::int64_t rows = std::min<std::int64_t>(most_rows, cache.capacity);
  const MatrixView<float> whole{nullptr, rows, heads * cache.head_dim};
  const AttentionJob last(cache, cache.capacity - static_cast<Position>(rows), whole, whole);
  const std::int64_t most = std::max(scratch_target, fewest_rows * last.row_bytes());
  return static_cast<std::size_t>(last.rounded_bytes + std::min(rows * last.row_bytes(), most));
}

}  // namespace pipespec::ops
#endif
