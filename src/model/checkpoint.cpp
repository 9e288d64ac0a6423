#include "model/checkpoint.hpp"

#include <utility>

#include "core/error.hpp"
#include "model/gguf_checkpoint.hpp"
#include "ops/dequantize.hpp"

namespace pipespec::model {

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

std::shared_ptr<const Checkpoint> Checkpoint::open(const std::filesystem::path& path) {
  return open_gguf_checkpoint(path);
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
  const int index = static_cast<int>(role);
  if (index >= layer_role_count) layer = architecture_.layers;  // the whole model's roles follow the last layer
  expect(layer >= 0 && layer <= architecture_.layers, "the layer exists");
  const int within = index >= layer_role_count ? index - layer_role_count : index;
  return tensors_[static_cast<std::size_t>(layer) * layer_role_count + static_cast<std::size_t>(within)];
}

}  // namespace pipespec::model
