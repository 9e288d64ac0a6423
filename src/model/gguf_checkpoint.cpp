#include "model/gguf_checkpoint.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "core/error.hpp"
#include "io/gguf.hpp"
#include "io/printable.hpp"

namespace pipespec::model {
namespace {

using io::GgufFile;
using io::GgufTensor;

constexpr std::string_view rope_factors_name = "rope_freqs.weight";

/// Keys, behind the architecture's name, that read_architecture() reads, and keys that say nothing about the
/// arithmetic.
constexpr auto known_keys = std::to_array<std::string_view>({
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.layer_norm_rms_epsilon",
    "attention.layer_norm_epsilon",
    "rope.freq_base",
    "rope.dimension_count",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
    "rope.scaling.finetuned",
    "rope.scale_linear",
    "expert_count",
    "expert_used_count",
    "vocab_size",
    "tensor_data_layout",
});

/// The file's metadata under the name of its architecture, "llama.block_count".
class ArchitectureKeys {
 public:
  explicit ArchitectureKeys(const GgufFile& file)
      : file_(file), name_(file.get<std::string_view>("general.architecture")) {}

  std::string_view name() const { return name_; }
  std::string operator()(std::string_view key) const { return fmt::format("{}.{}", name_, key); }

  int integer(std::string_view key) const { return checked(key, file_.get<std::int64_t>((*this)(key))); }
  int integer(std::string_view key, std::int64_t otherwise) const {
    return checked(key, file_.find<std::int64_t>((*this)(key)).value_or(otherwise));
  }
  double number(std::string_view key) const { return file_.get<double>((*this)(key)); }
  double number(std::string_view key, double otherwise) const {
    return file_.find<double>((*this)(key)).value_or(otherwise);
  }

 private:
  int checked(std::string_view key, std::int64_t value) const {
    validate(value >= 0 && value <= 1 << 30, "{} of {} is {} (out of range): the file is damaged", (*this)(key),
             file_.path().string(), value);
    return static_cast<int>(value);
  }

  const GgufFile& file_;
  std::string_view name_;
};

/// How the rotary positions are scaled; llama.cpp's default where the file is silent.
std::string_view rope_scaling(const GgufFile& file, const ArchitectureKeys& keys) {
  return file.find<std::string_view>(keys("rope.scaling.type")).value_or("linear");
}

/// Refuses what would change the arithmetic and is not computed here.
void refuse_unknown_arithmetic(const GgufFile& file, const ArchitectureKeys& keys) {
  const std::string path = file.path().string();
  validate(keys.name() == "llama" || keys.name() == "qwen2" || keys.name() == "qwen3",
           "{} holds a model of the architecture '{}' (supported are llama, qwen2 and qwen3): choose another model",
           path, io::printable(keys.name()));
  const std::string prefix = keys("");
  for (const io::GgufValue& value : file.metadata()) {
    if (!value.key.starts_with(prefix)) continue;
    validate(std::ranges::find(known_keys, value.key.substr(prefix.size())) != known_keys.end(),
             "{} sets {} (not supported, and it may change the arithmetic): choose another model", path,
             io::printable(value.key));
  }
  validate(keys.integer("expert_count", 0) == 0, "{} is a mixture of experts ({}, not supported): choose another model",
           path, keys("expert_count"));
  const std::string_view scaling = rope_scaling(file, keys);
  validate(scaling == "linear" || scaling == "none",
           "{} scales its rotary positions by '{}' ({}, not supported): choose another model", path,
           io::printable(scaling), keys("rope.scaling.type"));
}

/// By what the rotary positions are divided, besides the factors of single frequencies. 0 in a file stands for 1.
double linear_factor(const GgufFile& file, const ArchitectureKeys& keys) {
  if (rope_scaling(file, keys) == "none") return 1;
  const double factor = keys.number("rope.scaling.factor", keys.number("rope.scale_linear", 1));
  return factor == 0 ? 1 : factor;
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
    case io::GgmlType::q5_0:
      return ops::WeightType::q5_0;
    case io::GgmlType::q5_1:
      return ops::WeightType::q5_1;
    case io::GgmlType::q2_k:
      return ops::WeightType::q2_k;
    case io::GgmlType::q3_k:
      return ops::WeightType::q3_k;
    case io::GgmlType::q4_k:
      return ops::WeightType::q4_k;
    case io::GgmlType::q5_k:
      return ops::WeightType::q5_k;
    case io::GgmlType::q6_k:
      return ops::WeightType::q6_k;
    default:
      reject(
          "tensor {} of {} is of type {} (supported are F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1 and Q2_K to "
          "Q6_K): choose another quantisation",
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

/// Empty where all are 1.
std::vector<float> read_rope_factors(const GgufFile& file, const ArchitectureKeys& keys, const Architecture& a) {
  std::vector<float> factors;
  if (file.find_tensor(rope_factors_name))
    factors = read_vector(stored_tensor(file, rope_factors_name, {1, a.head_dim / 2}));
  if (const double factor = linear_factor(file, keys); factor != 1) {
    factors.resize(static_cast<std::size_t>(a.head_dim / 2), 1.0f);
    for (float& each : factors) each *= static_cast<float>(factor);
  }
  return factors;
}

Architecture read_architecture(const GgufFile& file, const ArchitectureKeys& keys) {
  Architecture a;
  a.layers = keys.integer("block_count");
  a.width = keys.integer("embedding_length");
  a.feed_forward = keys.integer("feed_forward_length");
  a.heads = keys.integer("attention.head_count");
  a.kv_heads = keys.integer("attention.head_count_kv", a.heads);
  a.head_dim = keys.integer("attention.key_length", a.heads > 0 ? a.width / a.heads : 0);
  a.context = keys.integer("context_length");
  a.rms_epsilon = static_cast<float>(keys.number("attention.layer_norm_rms_epsilon"));
  a.rope_base = static_cast<float>(keys.number("rope.freq_base", 10000));
  // The converter permutes the rows of LLaMA's q and k for neighbouring pairs, and leaves Qwen's as they are.
  a.rope_style = keys.name() == "llama" ? ops::RopeStyle::interleaved : ops::RopeStyle::half;
  a.head = file.find_tensor("output.weight") ? HeadWeights::own : HeadWeights::tied;
  a.qkv_bias = keys.name() == "qwen2";
  a.qk_norm = keys.name() == "qwen3";
  const GgufTensor& embedding = file.tensor("token_embd.weight");
  a.vocabulary = keys.integer("vocab_size", embedding.dims.size() == 2 ? embedding.dims[1] : 0);
  const std::string path = file.path().string();
  for (const auto key : {"attention.value_length", "rope.dimension_count"})
    validate(keys.integer(key, a.head_dim) == a.head_dim,
             "{} of {} is {} (expected the head size, {}; nothing else is supported): choose another model", keys(key),
             path, keys.integer(key, a.head_dim), a.head_dim);
  check_architecture(a, path);  // the sizes that the rotary positions are made for
  a.rope_factors = read_rope_factors(file, keys, a);
  check_architecture(a, path);
  return a;
}

std::string_view layer_tensor_name(TensorRole role) {
  switch (role) {
    case TensorRole::attention_norm:
      return "attn_norm.weight";
    case TensorRole::query:
      return "attn_q.weight";
    case TensorRole::key:
      return "attn_k.weight";
    case TensorRole::value:
      return "attn_v.weight";
    case TensorRole::query_bias:
      return "attn_q.bias";
    case TensorRole::key_bias:
      return "attn_k.bias";
    case TensorRole::value_bias:
      return "attn_v.bias";
    case TensorRole::query_norm:
      return "attn_q_norm.weight";
    case TensorRole::key_norm:
      return "attn_k_norm.weight";
    case TensorRole::attention_output:
      return "attn_output.weight";
    case TensorRole::feed_forward_norm:
      return "ffn_norm.weight";
    case TensorRole::gate:
      return "ffn_gate.weight";
    case TensorRole::up:
      return "ffn_up.weight";
    case TensorRole::down:
      return "ffn_down.weight";
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
      return fmt::format("blk.{}.{}", layer, layer_tensor_name(role));
  }
}

}  // namespace

Architecture read_gguf_architecture(const std::filesystem::path& path) {
  const GgufFile file(path);
  const ArchitectureKeys keys(file);
  refuse_unknown_arithmetic(file, keys);
  return read_architecture(file, keys);
}

std::shared_ptr<const Checkpoint> open_gguf_checkpoint(std::shared_ptr<const GgufFile> file) {
  const std::string path = file->path().string();
  const ArchitectureKeys keys(*file);
  refuse_unknown_arithmetic(*file, keys);
  Architecture architecture = read_architecture(*file, keys);
  std::vector<StoredTensor> tensors;
  std::set<std::string> used{std::string(rope_factors_name)};
  const auto take = [&](int role_index, int layer) {
    const auto role = static_cast<TensorRole>(role_index);
    tensors.emplace_back();
    if (!has_role(architecture, role)) return;
    tensors.back() = stored_tensor(*file, tensor_name(architecture, role, layer), extents_of(architecture, role));
    used.insert(tensors.back().name);
  };
  for (int layer = 0; layer < architecture.layers; ++layer)
    for (int role = 0; role < layer_role_count; ++role) take(role, layer);
  for (int role = layer_role_count; role < role_count; ++role) take(role, 0);
  for (const GgufTensor& tensor : file->tensors())
    validate(used.contains(std::string(tensor.name)),
             "{} holds the tensor {} (not part of a plain LLaMA model, so its arithmetic is not supported): choose "
             "another model",
             path, io::printable(tensor.name));
  return std::make_shared<const Checkpoint>(path, std::move(architecture), std::move(tensors), std::move(file));
}

}  // namespace pipespec::model
