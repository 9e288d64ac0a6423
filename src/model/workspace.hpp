/// The intermediate results of a forward pass.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "core/sampling.hpp"
#include "device/buffer.hpp"
#include "device/device.hpp"
#include "model/architecture.hpp"
#include "model/shard.hpp"
#include "ops/activations.hpp"
#include "ops/matrix_view.hpp"
#include "ops/sampler.hpp"

namespace pipespec::model {

/// A matrix with room for a chunk's rows.
class RowBuffer {
 public:
  RowBuffer(std::int64_t rows, std::int64_t cols) : cols_(cols), data_(static_cast<std::size_t>(rows * cols)) {}
  ops::MatrixView<float> rows(std::int64_t count) { return {data_.data(), count, cols_}; }

 private:
  std::int64_t cols_;
  device::Buffer<float> data_;
};

/// Everything a chunk of at most `rows` rows writes on its way through the layers. Sized once: a pass allocates
/// nothing.
struct Workspace {
  Workspace(device::Stream& stream, const Architecture& architecture, const Shard& shard, std::int64_t rows);

  /// Memory of a workspace made with the same arguments.
  static std::int64_t bytes(const Architecture& architecture, const Shard& shard, std::int64_t rows);

  RowBuffer residual;    // [rows, width]
  RowBuffer normed;      // [rows, width]
  RowBuffer query;       // [rows, own heads * head_dim]
  RowBuffer key, value;  // [rows, own kv_heads * head_dim]
  RowBuffer attended;    // [rows, own heads * head_dim]
  RowBuffer gate, up;    // [rows, own feed_forward]
  RowBuffer update;  // [rows, width] what a block adds to the residual stream; with tensor parallelism this rank's part
  ops::Activations activations;
};

/// What choosing tokens from whole rows of logits takes, `rows` rows at a time.
struct LogitBuffers {
  static constexpr std::int64_t rows = 16;

  /// For passes that choose at most `choices` tokens, from `outputs` logits each; `draft_vocabulary` says whose they
  /// are, as Sampler takes it.
  LogitBuffers(const Sampling& sampling, std::int64_t outputs, std::span<const Token> draft_vocabulary,
               const Shard& shard, std::int64_t choices)
      : sampler(sampling, rows, outputs, draft_vocabulary),
        logits(rows, outputs),
        own_logits(shard.outputs.size() < outputs ? rows : 0, shard.outputs.size()),
        places(static_cast<std::size_t>(choices)) {}

  /// Memory of buffers made with the same arguments.
  static std::int64_t bytes(const Sampling& sampling, std::int64_t outputs, const Shard& shard);

  ops::Sampler sampler;
  RowBuffer logits;                    // [rows, outputs]
  RowBuffer own_logits;                // [rows, own outputs] of a rank that has a part of them
  std::vector<ops::DrawPlace> places;  // [choices]
  std::array<float, rows> probabilities;
};

}  // namespace pipespec::model
