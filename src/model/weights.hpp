/// The weights of a model, or of some of its layers, packed for the kernels.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "device/device.hpp"
#include "model/checkpoint.hpp"
#include "model/shard.hpp"
#include "ops/embedding.hpp"
#include "ops/packed_matrix.hpp"

namespace pipespec::model {

/// In which type the matrices are kept: native is as stored, and quantised ones then meet 8-bit activations (but see
/// packed_type()); bf16 and f32 are widened at load and meet f32 activations. The embedding is read from the file in
/// its stored type, norms are always f32.
enum class WeightFormat { native, bf16, f32 };

/// The part of a stored matrix that a rank packs.
struct MatrixPart {
  Range rows, cols;
};

/// Which part of the tensor of `role` belongs to `shard`: rows of query, key, value, gate, up and head; columns of
/// attention_output, down and the biases; all of a norm.
MatrixPart part_of(const Architecture& architecture, const Shard& shard, TensorRole role);

/// The type in which the columns `cols` of a stored matrix are packed. Natively this is the stored type, but bf16 for
///   a type without a kernel (ops::has_kernel);
///   columns that are not whole blocks, as where tensor parallelism divides super-blocks of 256 weights;
///   a quantised value matrix: what its rounded activations get wrong at the first positions, to which most heads
///   attend, reaches every later one. On SmolLM2 this takes the error of the logits from up to 1.5e-2 to 1e-2, for 5 %
///   more bytes.
ops::WeightType packed_type(TensorRole role, ops::WeightType stored, Range cols, WeightFormat format);

/// The layers to load, or all of them if `chosen` is empty. Throws UserError naming `source` and its layer count unless
/// they exist and ascend.
std::vector<int> select_layers(const std::vector<int>& chosen, int layers, const std::string& source);

struct LayerWeights {
  std::vector<float> attention_norm;        // [width]
  ops::PackedMatrix query;                  // [own heads * head_dim, width]
  ops::PackedMatrix key, value;             // [own kv_heads * head_dim, width]
  std::vector<float> query_bias;            // [own heads * head_dim] or empty
  std::vector<float> key_bias, value_bias;  // [own kv_heads * head_dim] or empty
  std::vector<float> query_norm, key_norm;  // [head_dim] or empty
  ops::PackedMatrix attention_output;       // [width, own heads * head_dim]
  std::vector<float> feed_forward_norm;     // [width]
  ops::PackedMatrix gate, up;               // [own feed_forward, width]
  ops::PackedMatrix down;                   // [width, own feed_forward]
};

/// One rank's weights. Of the file, only the shard's own bytes are touched at load; the embedding stays mapped.
struct Weights {
  ops::EmbeddingTable embedding;  // [vocabulary, width], in the checkpoint's mapping
  std::vector<LayerWeights> layers;
  std::vector<float> output_norm;  // [width]
  ops::PackedMatrix head;          // [own vocabulary, width]
  std::int64_t bytes_read = 0;     ///< of the checkpoint, to pack these
};

/// Packs the weights of the chosen layers on the stream's threads. `checkpoint` must outlive the result.
Weights load_weights(const Checkpoint& checkpoint, const Shard& shard, const std::vector<int>& layers,
                     WeightFormat format, device::Stream& stream);

}  // namespace pipespec::model
