/// Rotary position embedding (Su et al. 2021).
#pragma once

#include <cstdint>
#include <span>

#include "core/types.hpp"
#include "device/buffer.hpp"
#include "device/device.hpp"
#include "ops/matrix_view.hpp"

namespace pipespec::ops {

/// Which two elements of a head turn together.
enum class RopeStyle {
  interleaved,  ///< (2i, 2i+1), as GGUF's LLaMA models are permuted for
  half,         ///< (i, i + head_dim/2), as Hugging Face's
};

/// Cosines and sines of all positions. Immutable.
class RopeTable {
 public:
  /// Pair i turns by position · base^(−2i/head_dim) / factors[i]; `factors` is empty or [head_dim/2] (LLaMA 3's
  /// scaling). Angles are rounded to f32 as the published implementations do. head_dim is even.
  RopeTable(Position context, int head_dim, float base, std::span<const float> factors = {});

  /// Memory of a table of these extents.
  static constexpr std::int64_t bytes(Position context, int head_dim) {
    return std::int64_t{context} * head_dim * std::int64_t{sizeof(float)};
  }

  Position context() const { return context_; }
  int head_dim() const { return head_dim_; }
  const float* cosines(Position position) const { return cosines_.data() + offset(position); }  ///< [head_dim/2]
  const float* sines(Position position) const { return sines_.data() + offset(position); }      ///< [head_dim/2]

 private:
  std::int64_t offset(Position position) const { return std::int64_t{position} * (head_dim_ / 2); }
  Position context_;
  int head_dim_;
  device::Buffer<float> cosines_, sines_;  // [context, head_dim/2]
};

/// Turns every head of row r of x [rows, heads·head_dim] to positions[r], in place.
void rope(device::Stream& stream, const RopeTable& table, RopeStyle style, std::span<const Position> positions,
          MatrixView<float> x);

}  // namespace pipespec::ops
