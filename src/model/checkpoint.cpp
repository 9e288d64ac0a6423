#include "model/checkpoint.hpp"

#include <utility>

#include "core/error.hpp"
#include "io/safetensors.hpp"
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

std::int64_t parameter_count(const Architecture& a) {
  const auto count = [&](TensorRole role) {
    const Extents extents = extents_of(a, role);
    return has_role(a, role) ? extents.rows * extents.cols : 0;
  };
  std::int64_t layer = 0, whole = 0;
  for (int role = 0; role < role_count; ++role) (role < layer_role_count ? layer : whole) += count(TensorRole(role));
  return a.layers * layer + whole - (a.head == HeadWeights::tied ? count(TensorRole::head) : 0);
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

std::shared_ptr<const Checkpoint> Checkpoint::outline(const std::filesystem::path& path) {
  const bool has_weights = !std::filesystem::is_directory(path) || io::SafetensorsFolder::is_there(path);
  return has_weights ? open(path) : outline_hf_checkpoint(path);
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

std::int64_t Checkpoint::stored_bytes() const {
  std::size_t bytes = 0;
  for (const StoredTensor& tensor : tensors_) bytes += tensor.bytes.size();
  if (architecture_.head == HeadWeights::tied) bytes -= tensor(TensorRole::head).bytes.size();
  return static_cast<std::int64_t>(bytes);
}

}  // namespace pipespec::model
