#include "model/hf_checkpoint.hpp"

#include <fmt/ranges.h>

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "io/json_file.hpp"
#include "io/printable.hpp"
#include "io/safetensors.hpp"
#include "model/hf_config.hpp"

namespace pipespec::model {

namespace {

using io::SafetensorsFolder;
using io::SafetensorsTensor;
using io::SafetensorsType;

std::string_view layer_tensor_name(TensorRole role) {
  switch (role) {
    case TensorRole::attention_norm:
      return "input_layernorm.weight";
    case TensorRole::query:
      return "self_attn.q_proj.weight";
    case TensorRole::key:
      return "self_attn.k_proj.weight";
    case TensorRole::value:
      return "self_attn.v_proj.weight";
    case TensorRole::query_bias:
      return "self_attn.q_proj.bias";
    case TensorRole::key_bias:
      return "self_attn.k_proj.bias";
    case TensorRole::value_bias:
      return "self_attn.v_proj.bias";
    case TensorRole::query_norm:
      return "self_attn.q_norm.weight";
    case TensorRole::key_norm:
      return "self_attn.k_norm.weight";
    case TensorRole::attention_output:
      return "self_attn.o_proj.weight";
    case TensorRole::feed_forward_norm:
      return "post_attention_layernorm.weight";
    case TensorRole::gate:
      return "mlp.gate_proj.weight";
    case TensorRole::up:
      return "mlp.up_proj.weight";
    case TensorRole::down:
      return "mlp.down_proj.weight";
    default:
      throw ContractError("not a role of a layer");
  }
}

constexpr std::string_view embedding_name = "model.embed_tokens.weight";
constexpr std::string_view head_name = "lm_head.weight";

std::string tensor_name(const Architecture& a, TensorRole role, int layer) {
  switch (role) {
    case TensorRole::embedding:
      return std::string(embedding_name);
    case TensorRole::output_norm:
      return "model.norm.weight";
    case TensorRole::head:
      return std::string(a.head == HeadWeights::tied ? embedding_name : head_name);
    default:
      return fmt::format("model.layers.{}.{}", layer, layer_tensor_name(role));
  }
}

ops::WeightType weight_type(const SafetensorsTensor& tensor, const std::string& source) {
  switch (tensor.type) {
    case SafetensorsType::f32:
      return ops::WeightType::f32;
    case SafetensorsType::f16:
      return ops::WeightType::f16;
    case SafetensorsType::bf16:
      return ops::WeightType::bf16;
    default:
      reject("tensor {} of {} is of type {} (supported are F32, F16, BF16): choose another checkpoint", tensor.name,
             source, io::name(tensor.type));
  }
}

StoredTensor stored_tensor(const SafetensorsFolder& folder, const std::string& name, Extents expected,
                           const std::string& source) {
  const SafetensorsTensor* tensor = folder.find(name);
  validate(tensor != nullptr, "{} has no tensor {} (config.json asks for it): get the files again", source, name);
  std::vector<std::int64_t> shape{expected.cols};
  if (expected.rows != 1) shape.insert(shape.begin(), expected.rows);
  validate(tensor->shape == shape,
           "tensor {} of {} has the shape [{}] (config.json asks for [{}]): get the files again", name, source,
           fmt::join(tensor->shape, ", "), fmt::join(shape, ", "));
  return {name, weight_type(*tensor, source), expected, tensor->bytes};
}

/// Tensors that older checkpoints hold and nobody reads: the frequencies follow from the configuration, and a tied head
/// is the embedding again.
bool is_redundant(const Architecture& a, const std::string& name) {
  return name.ends_with(".rotary_emb.inv_freq") || (a.head == HeadWeights::tied && name == head_name);
}

std::filesystem::path config_of(const std::filesystem::path& folder) {
  return folder / "config.json";
}

/// What `find` knows of every tensor of the architecture, in the order of a Checkpoint; it is given the tensor's name
/// and extents.
template <class Find>
std::vector<StoredTensor> tensors_of(const Architecture& a, Find&& find) {
  std::vector<StoredTensor> tensors;
  const auto take = [&](int index, int layer) {
    const auto role = static_cast<TensorRole>(index);
    tensors.push_back(has_role(a, role) ? find(tensor_name(a, role, layer), extents_of(a, role)) : StoredTensor());
  };
  for (int layer = 0; layer < a.layers; ++layer)
    for (int role = 0; role < layer_role_count; ++role) take(role, layer);
  for (int role = layer_role_count; role < role_count; ++role) take(role, 0);
  return tensors;
}

nlohmann::json read_config(const std::filesystem::path& folder) {
  const std::filesystem::path config = config_of(folder);
  validate(std::filesystem::exists(config), "{} holds no config.json (it is no model folder): check the path",
           folder.string());
  return io::read_json_file(config);
}

}  // namespace

Architecture read_hf_architecture(const std::filesystem::path& folder) {
  return architecture_of(read_config(folder), config_of(folder).string());
}

std::shared_ptr<const Checkpoint> open_hf_checkpoint(const std::filesystem::path& path) {
  const std::string source = path.string();
  Architecture architecture = read_hf_architecture(path);
  validate(SafetensorsFolder::is_there(path),
           "{} holds no weights (neither model.safetensors nor model.safetensors.index.json; config.json alone is "
           "enough for check only): get the checkpoint and name its folder",
           source);
  auto folder = std::make_shared<const SafetensorsFolder>(path);
  std::set<std::string> used;
  std::vector<StoredTensor> tensors = tensors_of(architecture, [&](const std::string& name, Extents expected) {
    used.insert(name);
    return stored_tensor(*folder, name, expected, source);
  });
  for (const SafetensorsTensor& tensor : folder->tensors())
    validate(used.contains(tensor.name) || is_redundant(architecture, tensor.name),
             "{} holds the tensor {} (not part of the model that config.json describes): choose another model", source,
             io::printable(tensor.name));
  return std::make_shared<const Checkpoint>(source, std::move(architecture), std::move(tensors), std::move(folder));
}

std::shared_ptr<const Checkpoint> outline_hf_checkpoint(const std::filesystem::path& folder) {
  const nlohmann::json config = read_config(folder);
  Architecture architecture = architecture_of(config, config_of(folder).string());
  const auto type = weight_type_of(config);
  validate(type.has_value(),
           "{} names no type of the weights (its torch_dtype or dtype; without the weights nothing else tells): add it",
           config_of(folder).string());
  std::vector<StoredTensor> tensors = tensors_of(architecture, [&](const std::string& name, Extents extents) {
    return StoredTensor{name, *type, extents, {}};
  });
  return std::make_shared<const Checkpoint>(folder.string(), std::move(architecture), std::move(tensors), nullptr);
}

}  // namespace pipespec::model
