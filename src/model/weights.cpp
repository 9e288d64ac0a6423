#include "model/weights.hpp"

#include <fmt/ranges.h>

#include <atomic>
#include <span>
#include <string_view>
#include <utility>

#include "core/error.hpp"
#include "io/mapped_file.hpp"
#include "ops/dequantize.hpp"
#include "ops/quantize.hpp"

namespace pipespec::model {
namespace {

/// The part of a stored tensor that a rank reads: of every row of the part, the whole blocks that hold its columns.
/// With a list of rows, ascending, the part is one of the list. Counts what it hands out, and gives the pages of the
/// mapped file back when it is done with them, so that weights do not take memory twice. One thread at a time.
class StoredPart {
 public:
  StoredPart(const StoredTensor& tensor, const MatrixPart& part, std::span<const Token> listed = {})
      : tensor_(tensor), part_(part), listed_(listed), held_(stored_row(0)) {
    const std::int64_t length = ops::block_format(tensor.type).length;
    const Range blocks{part.cols.begin / length, (part.cols.end + length - 1) / length};
    stride_ = ops::row_bytes(tensor.type, tensor.extents.cols);
    begin_ = ops::row_bytes(tensor.type, blocks.begin * length);
    size_ = ops::row_bytes(tensor.type, blocks.size() * length);
    wide_.resize(static_cast<std::size_t>(blocks.size() * length));
    first_ = static_cast<std::size_t>(part.cols.begin - blocks.begin * length);
  }

  ~StoredPart() { release_up_to(stored_row(rows() - 1) + 1); }
  StoredPart(const StoredPart&) = delete;
  StoredPart& operator=(const StoredPart&) = delete;

  std::int64_t rows() const { return part_.rows.size(); }
  std::int64_t cols() const { return part_.cols.size(); }

  /// Which row of the tensor the part's `row` is.
  std::int64_t stored_row(std::int64_t row) const {
    const std::int64_t place = part_.rows.begin + row;
    return listed_.empty() ? place : listed_[static_cast<std::size_t>(place)];
  }

  /// The stored blocks of the part's `row`; rows are asked for in ascending order.
  std::span<const std::byte> row(std::int64_t row) {
    const std::int64_t stored = stored_row(row);
    if ((stored - held_) * stride_ >= most_held) release_up_to(stored);
    bytes_read_ += size_;
    return tensor_.bytes.subspan(static_cast<std::size_t>(stored * stride_ + begin_), static_cast<std::size_t>(size_));
  }

  /// The part's columns of its `row`, widened; valid until the next call.
  std::span<const float> widened(std::int64_t row) {
    ops::dequantize_row(tensor_.type, this->row(row), wide_);
    return std::span(wide_).subspan(first_, static_cast<std::size_t>(cols()));
  }

  std::int64_t bytes_read() const { return bytes_read_; }

 private:
  static constexpr std::int64_t most_held = std::int64_t{1} << 20;  // bytes of the file

  void release_up_to(std::int64_t row) {
    io::release_pages(tensor_.bytes.subspan(static_cast<std::size_t>(held_ * stride_),
                                            static_cast<std::size_t>((row - held_) * stride_)));
    held_ = row;
  }

  const StoredTensor& tensor_;
  MatrixPart part_;
  std::span<const Token> listed_;                   // rows of the tensor, or empty
  std::int64_t stride_ = 0, begin_ = 0, size_ = 0;  // bytes: of a row, before and of the blocks
  std::vector<float> wide_;                         // the blocks of one row
  std::size_t first_ = 0;                           // the part's first column in them
  std::int64_t held_ = 0;                           // the first of the tensor's rows whose pages may be in memory
  std::int64_t bytes_read_ = 0;
};

/// A matrix to be packed.
struct Job {
  const StoredTensor* tensor;
  MatrixPart part;
  ops::WeightType type;  ///< to pack it in: as stored, bf16, f32, q8_0 or q4_0
  ops::PackedMatrix* packed;
  std::span<const Token> listed = {};  ///< of which rows of the tensor `part` is one; empty: of all
  std::span<std::byte> memory = {};    ///< to pack it into
  std::int64_t bytes_read = 0;         ///< when it is done

  std::size_t bytes() const { return ops::PackedMatrix::bytes(type, part.rows.size(), part.cols.size()); }
};

/// Writes `values` in `type`; false where it cannot hold one of them.
bool narrow(ops::WeightType type, std::span<const float> values, std::span<std::uint16_t> narrowed) {
  if (type != ops::WeightType::bf16) return ops::quantize_row(type, values, std::as_writable_bytes(narrowed));
  ops::round_to_bf16(values, narrowed);
  return true;
}

/// Packs the part row by row.
void pack(Job& job) {
  StoredPart part(*job.tensor, job.part, job.listed);
  ops::PackedMatrix packed(job.type, part.rows(), part.cols(), job.memory);
  std::vector<std::uint16_t> narrowed(static_cast<std::size_t>(ops::row_bytes(job.type, part.cols()) / 2));
  for (std::int64_t row = 0; row < part.rows(); ++row) {
    if (job.type == job.tensor->type) {
      packed.set_row(row, part.row(row));
    } else if (job.type == ops::WeightType::f32) {
      packed.set_row(row, std::as_bytes(part.widened(row)));
    } else {
      validate(
          narrow(job.type, part.widened(row), narrowed),
          "row {} of tensor {} holds a weight that {} cannot (not finite, or its block's scale is too large for an "
          "f16): use weights: native",
          part.stored_row(row), job.tensor->name, ops::to_string(job.type));
      packed.set_row(row, std::as_bytes(std::span(narrowed)));
    }
  }
  *job.packed = std::move(packed);
  job.bytes_read = part.bytes_read();
}

/// Memory for all of them, in their order.
device::Buffer<std::byte> allocate(std::vector<Job>& jobs) {
  std::size_t bytes = 0;
  for (const Job& job : jobs) bytes += job.bytes();
  device::Buffer<std::byte> storage(bytes);
  std::span<std::byte> rest = storage.span();
  for (Job& job : jobs) {
    job.memory = rest.first(job.bytes());
    rest = rest.subspan(job.bytes());
  }
  return storage;
}

/// Every thread takes the next job that nobody has taken.
void run_jobs(std::vector<Job>& jobs, device::ThreadPool& pool) {
  std::atomic<std::size_t> next{0};
  pool.parallel_for(pool.threads(), [&](std::int64_t, std::int64_t) {
    for (std::size_t i = next++; i < jobs.size(); i = next++) pack(jobs[i]);
  });
}

}  // namespace

MatrixPart part_of(const Architecture& a, const Shard& shard, TensorRole role) {
  const Extents whole = extents_of(a, role);
  const Range all_rows{0, whole.rows}, all_cols{0, whole.cols};
  const Range heads{shard.heads.begin * a.head_dim, shard.heads.end * a.head_dim};
  const Range kv_heads{shard.kv_heads.begin * a.head_dim, shard.kv_heads.end * a.head_dim};
  switch (role) {
    case TensorRole::query:
      return {heads, all_cols};
    case TensorRole::key:
    case TensorRole::value:
      return {kv_heads, all_cols};
    case TensorRole::query_bias:
      return {all_rows, heads};
    case TensorRole::key_bias:
    case TensorRole::value_bias:
      return {all_rows, kv_heads};
    case TensorRole::attention_output:
      return {all_rows, heads};
    case TensorRole::gate:
    case TensorRole::up:
      return {shard.feed_forward, all_cols};
    case TensorRole::down:
      return {all_rows, shard.feed_forward};
    case TensorRole::head:
      return {shard.outputs, all_cols};
    default:
      return {all_rows, all_cols};
  }
}

ops::WeightType packed_type(TensorRole role, ops::WeightType stored, Range cols, WeightFormat format) {
  const auto if_whole = [&](ops::WeightType type) {
    const std::int64_t length = ops::block_format(type).length;
    return cols.begin % length == 0 && cols.size() % length == 0 ? type : ops::WeightType::bf16;
  };
  const bool is_value = role == TensorRole::value;
  switch (format) {
    case WeightFormat::native:
      return ops::has_kernel(stored) && !(is_value && ops::is_quantized(stored)) ? if_whole(stored)
                                                                                 : ops::WeightType::bf16;
    case WeightFormat::bf16:
      return ops::WeightType::bf16;
    case WeightFormat::f32:
      return ops::WeightType::f32;
    case WeightFormat::int8:
      return is_value ? ops::WeightType::bf16 : if_whole(ops::WeightType::q8_0);
    case WeightFormat::int4:
      if (role == TensorRole::head) return if_whole(ops::WeightType::q8_0);
      return is_value ? ops::WeightType::bf16 : if_whole(ops::WeightType::q4_0);
  }
  throw ContractError("unknown weight format");
}

void check_weight_format(const Checkpoint& checkpoint, WeightFormat format) {
  if (format != WeightFormat::int8 && format != WeightFormat::int4) return;
  const std::string_view name = format == WeightFormat::int8 ? "int8" : "int4";
  const auto check = [&](TensorRole role, int layer) {
    const StoredTensor& tensor = checkpoint.tensor(role, layer);
    validate(!ops::is_quantized(tensor.type),
             "tensor {} of {} is quantised as {} (weights: {} would round it twice): use weights: native", tensor.name,
             checkpoint.source(), ops::to_string(tensor.type), name);
    constexpr std::int64_t length = 32;
    validate(role == TensorRole::value || tensor.extents.cols % length == 0,
             "tensor {} of {} has rows of {} weights (weights: {} needs whole blocks of {}): use weights: native",
             tensor.name, checkpoint.source(), tensor.extents.cols, name, length);
  };
  check(TensorRole::head, 0);
  for (int layer = 0; layer < checkpoint.architecture().layers; ++layer)
    for (const TensorRole role : layer_matrices) check(role, layer);
}

ops::KvType kv_type_beside(const Checkpoint& checkpoint, WeightFormat format) {
  if (format == WeightFormat::f32) return ops::KvType::f32;
  const ops::WeightType stored = checkpoint.tensor(TensorRole::gate, 0).type;
  const Range whole_row{0, checkpoint.architecture().width};
  return ops::is_quantized(packed_type(TensorRole::gate, stored, whole_row, format)) ? ops::KvType::int8
                                                                                     : ops::KvType::f16;
}

std::vector<int> select_layers(const std::vector<int>& chosen, int layers, const std::string& source) {
  std::vector<int> selected = chosen;
  if (chosen.empty())
    for (int layer = 0; layer < layers; ++layer) selected.push_back(layer);
  int previous = -1;
  for (const int layer : selected) {
    validate(layer >= 0 && layer < layers, "layer {} does not exist ({} has {} layers): choose from 0 to {}", layer,
             source, layers, layers - 1);
    validate(layer > previous, "layers [{}] of {} are not in order (each once, ascending): sort them",
             fmt::join(chosen, ", "), source);
    previous = layer;
  }
  return selected;
}

Weights load_weights(const Checkpoint& checkpoint, const Shard& shard, const std::vector<int>& layers,
                     WeightFormat format, device::Stream& stream, std::span<const Token> draft_vocabulary) {
  check_weight_format(checkpoint, format);
  const Architecture& a = checkpoint.architecture();
  Weights weights;
  weights.layers.resize(layers.size());
  std::vector<Job> jobs;
  const auto add = [&](TensorRole role, int layer, ops::PackedMatrix& packed) {
    const StoredTensor& tensor = checkpoint.tensor(role, layer);
    const MatrixPart part = part_of(a, shard, role);
    jobs.push_back({&tensor, part, packed_type(role, tensor.type, part.cols, format), &packed});
  };
  const auto own_vector = [&](TensorRole role, int layer) {
    if (!has_role(a, role)) return std::vector<float>();
    StoredPart part(checkpoint.tensor(role, layer), part_of(a, shard, role));
    const std::span<const float> own = part.widened(0);
    weights.bytes_read += part.bytes_read();
    return std::vector<float>(own.begin(), own.end());
  };
  for (std::size_t i = 0; i < layers.size(); ++i) {
    LayerWeights& to = weights.layers[i];
    to.attention_norm = own_vector(TensorRole::attention_norm, layers[i]);
    to.feed_forward_norm = own_vector(TensorRole::feed_forward_norm, layers[i]);
    to.query_bias = own_vector(TensorRole::query_bias, layers[i]);
    to.key_bias = own_vector(TensorRole::key_bias, layers[i]);
    to.value_bias = own_vector(TensorRole::value_bias, layers[i]);
    to.query_norm = own_vector(TensorRole::query_norm, layers[i]);
    to.key_norm = own_vector(TensorRole::key_norm, layers[i]);
    add(TensorRole::query, layers[i], to.query);
    add(TensorRole::key, layers[i], to.key);
    add(TensorRole::value, layers[i], to.value);
    add(TensorRole::attention_output, layers[i], to.attention_output);
    add(TensorRole::gate, layers[i], to.gate);
    add(TensorRole::up, layers[i], to.up);
    add(TensorRole::down, layers[i], to.down);
  }
  add(TensorRole::head, 0, weights.head);
  jobs.back().listed = draft_vocabulary;
  weights.storage = allocate(jobs);
  std::swap(jobs.front(), jobs.back());  // the head is by far the largest, so it is packed first
  run_jobs(jobs, stream.pool());
  for (const Job& job : jobs) weights.bytes_read += job.bytes_read;
  weights.output_norm = own_vector(TensorRole::output_norm, 0);
  // The kernel maps pages around the one that is touched, so a reader has brought back some that another had released.
  for (const Job& job : jobs) io::release_pages(job.tensor->bytes);
  const StoredTensor& embedding = checkpoint.tensor(TensorRole::embedding);
  weights.embedding = {embedding.type, embedding.bytes, embedding.extents.rows, embedding.extents.cols};
  return weights;
}

}  // namespace pipespec::model
