#include "model/memory_plan.hpp"

#include "ops/packed_matrix.hpp"

namespace pipespec::model {
namespace {

constexpr TensorRole optional_vectors[] = {TensorRole::query_bias, TensorRole::key_bias, TensorRole::value_bias,
                                           TensorRole::query_norm, TensorRole::key_norm};

std::int64_t weight_bytes(const Checkpoint& checkpoint, const ModelOptions& options, const Shard& shard) {
  const Architecture& a = checkpoint.architecture();
  const auto packed = [&](TensorRole role, int layer) {
    const MatrixPart part = part_of(a, shard, role);
    const ops::WeightType type = packed_type(role, checkpoint.tensor(role, layer).type, part.cols, options.weights);
    return static_cast<std::int64_t>(ops::PackedMatrix::bytes(type, part.rows.size(), part.cols.size()));
  };
  const std::int64_t norm = a.width * std::int64_t{sizeof(float)};
  std::int64_t bytes = packed(TensorRole::head, 0) + norm;
  for (const int layer : select_layers(options.layers, a.layers, checkpoint.source())) {
    bytes += 2 * norm;
    for (const TensorRole role : layer_matrices) bytes += packed(role, layer);
    for (const TensorRole role : optional_vectors) {
      if (has_role(a, role)) bytes += part_of(a, shard, role).cols.size() * std::int64_t{sizeof(float)};
    }
  }
  return bytes;
}

}  // namespace

MemoryPlan memory_plan(const Checkpoint& checkpoint, const ModelOptions& options, TensorParallel place) {
  check_weight_format(checkpoint, options.weights);
  const Architecture& a = checkpoint.architecture();
  const Shard shard = shard_of(a, options, place);
  const KvCache::Extents cache = cache_extents(checkpoint, options, shard);
  MemoryPlan plan;
  plan.weights = weight_bytes(checkpoint, options, shard);
  plan.embedding = a.vocabulary * ops::row_bytes(checkpoint.tensor(TensorRole::embedding).type, a.width);
  plan.kv_cache = KvCache::bytes(cache);
  plan.workspace = Workspace::bytes(a, shard, Transformer::chunk_rows) +
                   ops::RopeTable::bytes(cache.context, a.head_dim) +
                   static_cast<std::int64_t>(ops::attention_scratch_bytes(KvCache::outline(cache), shard.heads.size()));
  if (options.needs_logits()) plan.workspace += LogitBuffers::bytes(options.sampling, output_count(a, options), shard);
  return plan;
}

}  // namespace pipespec::model
