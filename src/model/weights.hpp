/// The weights of a model, or of some of its layers, packed for the kernels.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/types.hpp"
#include "device/buffer.hpp"
#include "device/device.hpp"
#include "model/checkpoint.hpp"
#include "model/shard.hpp"
#include "ops/attention.hpp"
#include "ops/embedding.hpp"
#include "ops/packed_matrix.hpp"

namespace pipespec::model {

/// In which type the matrices are kept: native is as stored, and quantised ones then meet 8-bit activations; bf16 and
/// f32 are widened at load and meet f32 activations; int8 and int4 are rounded at load into blocks of 32 weights of a
/// row with one scale each (ops::quantize_row), and then are what a GGUF file of q8_0 or q4_0 is natively. See
/// packed_type(). The embedding is read from the file in its stored type, biases and norms are always f32.
enum class WeightFormat { native, bf16, f32, int8, int4 };

/// The roles of a layer's matrices.
inline constexpr TensorRole layer_matrices[] = {
    TensorRole::query, TensorRole::key, TensorRole::value, TensorRole::attention_output,
    TensorRole::gate,  TensorRole::up,  TensorRole::down};

/// The part of a stored matrix that a rank packs.
struct MatrixPart {
  Range rows, cols;
};

/// Which part of the tensor of `role` belongs to `shard`: rows of query, key, value, gate, up and head (of a draft
/// vocabulary, places in its list); columns of attention_output, down and the biases; all of a norm.
MatrixPart part_of(const Architecture& architecture, const Shard& shard, TensorRole role);

/// The type in which the columns `cols` of a stored matrix are packed. int8 is q8_0; int4 is q4_0, but q8_0 for the
/// head, whose errors no later layer evens out; both keep the value matrix in bf16, for the reason below. Natively this
/// is the stored type, but bf16 for
///   a type without a kernel (ops::has_kernel);
///   columns that are not whole blocks, as where tensor parallelism divides super-blocks of 256 weights (int8 and int4
///   keep those in bf16, too);
///   a quantised value matrix: what its rounded activations get wrong at the first positions, to which most heads
///   attend, reaches every later one. On SmolLM2 this takes the error of the logits from up to 1.5e-2 to 1e-2, for 5 %
///   more bytes.
ops::WeightType packed_type(TensorRole role, ops::WeightType stored, Range cols, WeightFormat format);

/// Throws UserError naming the tensor unless all matrices can be packed in `format`. int8 and int4 need rows of whole
/// blocks of 32, and weights that are not quantised yet: to round twice adds up the errors of both.
void check_weight_format(const Checkpoint& checkpoint, WeightFormat format);

/// The type of keys and values that goes with the weights: f32 beside WeightFormat::f32, int8 where the weights (the
/// gate of the first layer tells) meet 8-bit activations anyway, else f16.
ops::KvType kv_type_beside(const Checkpoint& checkpoint, WeightFormat format);

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

/// One rank's weights. The packed matrices lie one behind the other in `storage`, in the order in which a pass reads
/// them: one large piece of memory is what the system gives huge pages to, and reading is twice as fast with them where
/// a virtual machine makes every miss of the TLB expensive. Of the file, only the shard's own bytes are touched at
/// load; the embedding stays mapped.
struct Weights {
  ops::EmbeddingTable embedding;  // [vocabulary, width], in the checkpoint's mapping
  std::vector<LayerWeights> layers;
  std::vector<float> output_norm;     // [width]
  ops::PackedMatrix head;             // [own outputs, width]
  device::Buffer<std::byte> storage;  // of the packed matrices
  std::int64_t bytes_read = 0;        ///< of the checkpoint, to pack these
};

/// Packs the weights of the chosen layers on the stream's threads, row by row; of the head the rows of the draft
/// vocabulary alone, unless that is empty. `checkpoint` must outlive the result. Throws UserError as
/// check_weight_format(), and where int8 or int4 cannot hold a weight.
Weights load_weights(const Checkpoint& checkpoint, const Shard& shard, const std::vector<int>& layers,
                     WeightFormat format, device::Stream& stream, std::span<const Token> draft_vocabulary = {});

}  // namespace pipespec::model
