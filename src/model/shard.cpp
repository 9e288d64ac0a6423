#include "model/shard.hpp"

#include <algorithm>
#include <numeric>
#include <optional>

#include "core/error.hpp"

namespace pipespec::model {
namespace {

constexpr std::int64_t block = 32;  // values that share a scale in the quantised types
constexpr std::int64_t tile = 16;   // output rows of a packed matrix's tile

}  // namespace

Range divide(std::int64_t count, std::int64_t unit, int part, int parts) {
  const std::int64_t units = (count + unit - 1) / unit;
  const auto bound = [&](std::int64_t p) {
    return std::min(count, (units / parts * p + std::min<std::int64_t>(p, units % parts)) * unit);
  };
  return {bound(part), bound(part + 1)};
}

namespace {

/// With more ranks than KV heads, several ranks keep the same KV head and divide its query heads: into how many parts.
/// Nothing where it does not come out even.
std::optional<std::int64_t> parts_of_a_group(const Architecture& a, int ranks) {
  const std::int64_t group = a.heads / a.kv_heads, parts = ranks / a.kv_heads;
  const bool is_even = ranks > a.kv_heads && ranks % a.kv_heads == 0 && group % parts == 0;
  return is_even ? std::optional(parts) : std::nullopt;
}

}  // namespace

Shard shard_of(const Architecture& a, TensorParallel place, std::int64_t outputs) {
  expect(place.size >= 1 && place.rank >= 0 && place.rank < place.size, "the rank is one of its group");
  const std::int64_t group = a.heads / a.kv_heads;
  const std::int64_t columns = group * a.head_dim;  // of the attention output, that come from one KV head
  const auto part = [&](std::int64_t count, std::int64_t unit, const char* what) {
    validate(place.size <= count,
             "tensor_parallel {} is too many (the model's {} divide into {} parts): use at most {}", place.size, what,
             count, count);
    const bool has_enough_units = (count + unit - 1) / unit >= place.size;
    return divide(count, has_enough_units ? unit : 1, place.rank, place.size);
  };
  Shard shard;
  if (const auto parts = parts_of_a_group(a, place.size)) {
    const std::int64_t kv_head = place.rank / *parts, heads = group / *parts;
    shard.kv_heads = {kv_head, kv_head + 1};
    shard.heads = {place.rank * heads, (place.rank + 1) * heads};
  } else {
    shard.kv_heads = part(a.kv_heads, block / std::gcd(block, columns), "KV heads");
    shard.heads = {shard.kv_heads.begin * group, shard.kv_heads.end * group};
  }
  shard.feed_forward = part(a.feed_forward, block, "feed-forward columns");
  shard.outputs = part(outputs == 0 ? a.vocabulary : outputs, tile, "logits");
  return shard;
}

}  // namespace pipespec::model
