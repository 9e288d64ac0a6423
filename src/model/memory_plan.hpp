/// What a rank's part of a model will take, before any of it is loaded.
#pragma once

#include <cstdint>

#include "model/transformer.hpp"

namespace pipespec::model {

/// Bytes of memory of one rank.
struct MemoryPlan {
  std::int64_t weights = 0;    ///< packed
  std::int64_t embedding = 0;  ///< as stored, whole on every rank; on the host, pages of the mapped file
  std::int64_t kv_cache = 0;   ///< with every slot full
  std::int64_t workspace = 0;  ///< of a pass, and the tables
  std::int64_t total() const { return weights + embedding + kv_cache + workspace; }
};

/// The plan of a Transformer made with these arguments. Reads the checkpoint's table, no weights, so an outline is
/// enough; throws UserError as Transformer's constructor does.
MemoryPlan memory_plan(const Checkpoint& checkpoint, const ModelOptions& options, TensorParallel place);

}  // namespace pipespec::model
