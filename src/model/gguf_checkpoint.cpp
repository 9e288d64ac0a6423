#include "model/gguf_checkpoint.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "core/error.hpp"
#include "io/gguf.hpp"

namespace pipespec::model {
namespace {

using io::GgufFile;
using io::GgufTensor;

constexpr std::string_view rope_factors_name = "rope_freqs.weight";

/// Keys that read_architecture() reads, and keys that say nothing about the arithmetic of a LLaMA model.
constexpr auto known_keys = std::to_array<std::string_view>({
    "llama.block_count",
    "llama.context_length",
    "llama.embedding_length",
    "llama.feed_forward_length",
    "llama.attention.head_count",
    "llama.attention.head_count_kv",
    "llama.attention.key_length",
    "llama.attention.value_length",
    "llama.attention.layer_norm_rms_epsilon",
    "llama.attention.layer_norm_epsilon",
    "llama.rope.freq_base",
    "llama.rope.dimension_count",
    "llama.rope.scaling.type",
    "llama.rope.scaling.factor",
    "llama.rope.scaling.original_context_length",
    "llama.rope.scaling.finetuned",
    "llama.rope.scale_linear",
    "llama.expert_count",
    "llama.expert_used_count",
    "llama.vocab_size",
    "llama.tensor_data_layout",
});

int int_value(const GgufFile& file, std::string_view key, std::int64_t value) {
  validate(value >= 0 && value <= 1 << 30, "{} of {} is {} (out of range): the file is damaged", key,
           file.path().string(), value);
  return static_cast<int>(value);
}

int get_int(const GgufFile& file, std::string_view key) {
  return int_value(file, key, file.get<std::int64_t>(key));
}

int find_int(const GgufFile& file, std::string_view key, std::int64_t otherwise) {
  return int_value(file, key, file.find<std::int64_t>(key).value_or(otherwise));
}

/// Refuses what would change the arithmetic and is not computed here.
void refuse_unknown_arithmetic(const GgufFile& file) {
  const std::string path = file.path().string();
  const auto architecture = file.get<std::string_view>("general.architecture");
  validate(architecture == "llama",
           "{} holds a model of the architecture '{}' (only 'llama' is supported): choose another model", path,
           architecture);
  for (const io::GgufValue& value : file.metadata()) {
    if (!value.key.starts_with("llama.")) continue;
    validate(std::ranges::find(known_keys, value.key) != known_keys.end(),
             "{} sets {} (not supported, and it may change the arithmetic): choose another model", path, value.key);
  }
  validate(file.find<std::int64_t>("llama.expert_count").value_or(0) == 0,
           "{} is a mixture of experts (llama.expert_count, not supported): choose another model", path);
  const auto scaling = file.find<std::string_view>("llama.rope.scaling.type").value_or("linear");
  if (scaling == "none") return;
  validate(scaling == "linear",
           "{} scales its rotary positions by '{}' (llama.rope.scaling.type, not supported): choose another model",
           path, scaling);
  for (const auto key : {"llama.rope.scaling.factor", "llama.rope.scale_linear"}) {
    const double factor = file.find<double>(key).value_or(1);
    validate(factor == 0 || factor == 1,
             "{} scales its rotary positions by {} ({}, not supported): choose another model", path, factor, key);
  }
}

ops::WeightType weight_type(const GgufFile& file, const GgufTensor& tensor) {
  switch (tensor.type) {
    case io::GgmlType::f32:
      return ops::WeightType::f32;
    case io::GgmlType::f16:
      return ops::WeightType::f16;
    case io::GgmlType::bf16:
      return ops::WeightType::bf16;
    case io::GgmlType::q8_0:
      return ops::WeightType::q8_0;
    case io::GgmlType::q4_0:
      return ops::WeightType::q4_0;
    case io::GgmlType::q4_1:
      return ops::WeightType::q4_1;
    default:
      reject(
          "tensor {} of {} is of type {} (supported are F32, F16, BF16, Q8_0, Q4_0, Q4_1): choose another quantisation",
          tensor.name, file.path().string(), io::info(tensor.type).name);
  }
}

/// The tensor `name` as a matrix, or a vector where `expected.rows` is 1.
StoredTensor stored_tensor(const GgufFile& file, std::string_view name, Extents expected) {
  const GgufTensor& tensor = file.tensor(name);
  std::vector<std::int64_t> dims{expected.cols};
  if (expected.rows != 1) dims.push_back(expected.rows);
  std::vector<std::int64_t> found = tensor.dims;
  while (found.size() > dims.size() && found.back() == 1) found.pop_back();
  validate(found == dims,
           "tensor {} of {} has the shape [{}] (expected [{}]): the file is damaged or not a LLaMA model", name,
           file.path().string(), fmt::join(tensor.dims, ", "), fmt::join(dims, ", "));
  return {std::string(name), weight_type(file, tensor), expected, tensor.bytes};
}

Architecture read_architecture(const GgufFile& file) {
  Architecture a;
  a.layers = get_int(file, "llama.block_count");
  a.width = get_int(file, "llama.embedding_length");
  a.feed_forward = get_int(file, "llama.feed_forward_length");
  a.heads = get_int(file, "llama.attention.head_count");
  a.kv_heads = find_int(file, "llama.attention.head_count_kv", a.heads);
  a.head_dim = find_int(file, "llama.attention.key_length", a.heads > 0 ? a.width / a.heads : 0);
  a.context = get_int(file, "llama.context_length");
  a.rms_epsilon = static_cast<float>(file.get<double>("llama.attention.layer_norm_rms_epsilon"));
  a.rope_base = static_cast<float>(file.find<double>("llama.rope.freq_base").value_or(10000));
  a.rope_style = ops::RopeStyle::interleaved;  // the converter permutes the rows of q and k for this
  a.head = file.find_tensor("output.weight") ? HeadWeights::own : HeadWeights::tied;
  const GgufTensor& embedding = file.tensor("token_embd.weight");
  a.vocabulary = find_int(file, "llama.vocab_size", embedding.dims.size() == 2 ? embedding.dims[1] : 0);
  const std::string path = file.path().string();
  for (const auto key : {"llama.attention.value_length", "llama.rope.dimension_count"})
    validate(find_int(file, key, a.head_dim) == a.head_dim,
             "{} of {} is {} (expected the head size, {}; nothing else is supported): choose another model", key, path,
             find_int(file, key, a.head_dim), a.head_dim);
  if (file.find_tensor(rope_factors_name))
    a.rope_factors = read_vector(stored_tensor(file, rope_factors_name, {1, a.head_dim / 2}));
  check_architecture(a, path);
  return a;
}

std::string_view layer_tensor_name(TensorRole role) {
  switch (role) {
    case TensorRole::attention_norm:
      return "attn_norm";
    case TensorRole::query:
      return "attn_q";
    case TensorRole::key:
      return "attn_k";
    case TensorRole::value:
      return "attn_v";
    case TensorRole::attention_output:
      return "attn_output";
    case TensorRole::feed_forward_norm:
      return "ffn_norm";
    case TensorRole::gate:
      return "ffn_gate";
    case TensorRole::up:
      return "ffn_up";
    case TensorRole::down:
      return "ffn_down";
    default:
      throw ContractError("not a role of a layer");
  }
}

std::string tensor_name(const Architecture& a, TensorRole role, int layer) {
  switch (role) {
    case TensorRole::embedding:
      return "token_embd.weight";
    case TensorRole::output_norm:
      return "output_norm.weight";
    case TensorRole::head:
      return a.head == HeadWeights::tied ? "token_embd.weight" : "output.weight";
    default:
      return fmt::format("blk.{}.{}.weight", layer, layer_tensor_name(role));
  }
}

}  // namespace

std::shared_ptr<const Checkpoint> open_gguf_checkpoint(const std::filesystem::path& path) {
  auto file = std::make_shared<const GgufFile>(path);
  refuse_unknown_arithmetic(*file);
  Architecture architecture = read_architecture(*file);
  std::vector<StoredTensor> tensors;
  std::set<std::string> used{std::string(rope_factors_name)};
  const auto take = [&](int role_index, int layer) {
    const auto role = static_cast<TensorRole>(role_index);
    tensors.push_back(stored_tensor(*file, tensor_name(architecture, role, layer), extents_of(architecture, role)));
    used.insert(tensors.back().name);
  };
  for (int layer = 0; layer < architecture.layers; ++layer)
    for (int role = 0; role < layer_role_count; ++role) take(role, layer);
  for (int role = layer_role_count; role < role_count; ++role) take(role, 0);
  for (const GgufTensor& tensor : file->tensors())
    validate(used.contains(std::string(tensor.name)),
             "{} holds the tensor {} (not part of a plain LLaMA model, so its arithmetic is not supported): choose "
             "another model",
             path.string(), tensor.name);
  return std::make_shared<const Checkpoint>(path.string(), std::move(architecture), std::move(tensors),
                                            std::move(file));
}

}  // namespace pipespec::model
