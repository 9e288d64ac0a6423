#include "model/checkpoint.hpp"

#include <utility>

#include "core/error.hpp"
#include "model/gguf_checkpoint.hpp"
#include "model/hf_checkpoint.hpp"
#include "ops/dequantize.hpp"

namespace pipespec::model {

bool has_role(const Architecture& a, TensorRole role) {
  switch (role) {
    case TensorRole::query_bias:
    case TensorRole::key_bias:
    case TensorRole::value_bias:
      return a.qkv_bias;
    case TensorRole::query_norm:
    case TensorRole::key_norm:
      return a.qk_norm;
    default:
      return true;
  }
}

Extents extents_of(const Architecture& a, TensorRole role) {
  switch (role) {
    case TensorRole::attention_norm:
    case TensorRole::feed_forward_norm:
    case TensorRole::output_norm:
      return {1, a.width};
    case TensorRole::query:
      return {a.query_width(), a.width};
    case TensorRole::key:
    case TensorRole::value:
      return {a.kv_width(), a.width};
    case TensorRole::query_bias:
      return {1, a.query_width()};
    case TensorRole::key_bias:
    case TensorRole::value_bias:
      return {1, a.kv_width()};
    case TensorRole::query_norm:
    case TensorRole::key_norm:
      return {1, a.head_dim};
    case TensorRole::attention_output:
      return {a.width, a.query_width()};
    case TensorRole::gate:
    case TensorRole::up:
      return {a.feed_forward, a.width};
    case TensorRole::down:
      return {a.width, a.feed_forward};
    case TensorRole::embedding:
    case TensorRole::head:
      return {a.vocabulary, a.width};
  }
  throw ContractError("unknown tensor role");
}

std::vector<float> read_vector(const StoredTensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.extents.cols));
  ops::dequantize_row(tensor.type, tensor.bytes, values);
  return values;
}

Architecture read_architecture(const std::filesystem::path& path) {
  return std::filesystem::is_directory(path) ? read_hf_architecture(path) : read_gguf_architecture(path);
}

std::shared_ptr<const Checkpoint> Checkpoint::open(const std::filesystem::path& path) {
  return std::filesystem::is_directory(path) ? open_hf_checkpoint(path)
                                             : open_gguf_checkpoint(std::make_shared<const io::GgufFile>(path));
}

Checkpoint::Checkpoint(std::string source, Architecture architecture, std::vector<StoredTensor> tensors,
                       std::shared_ptr<const void> mapping)
    : source_(std::move(source)),
      architecture_(std::move(architecture)),
      tensors_(std::move(tensors)),
      mapping_(std::move(mapping)) {
  const auto expected =
      static_cast<std::size_t>(architecture_.layers) * layer_role_count + role_count - layer_role_count;
  expect(tensors_.size() == expected, "a checkpoint holds one tensor for every role");
}

const StoredTensor& Checkpoint::tensor(TensorRole role, int layer) const {
  expect(has_role(architecture_, role), "the architecture has tensors of this role");
  const int index = static_cast<int>(role);
  if (index >= layer_role_count) layer = architecture_.layers;  // the whole model's roles follow the last layer
  expect(layer >= 0 && layer <= architecture_.layers, "the layer exists");
  const int within = index >= layer_role_count ? index - layer_role_count : index;
  return tensors_[static_cast<std::size_t>(layer) * layer_role_count + static_cast<std::size_t>(within)];
}

}  // namespace pipespec::model
