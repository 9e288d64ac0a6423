/// A model's files, opened: its architecture and where each of its tensors lies. Nothing is loaded.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/architecture.hpp"
#include "ops/packed_matrix.hpp"

namespace pipespec::model {

/// The architecture of the model at `path` (a GGUF file, or a folder, of which `config.json` is enough). UserError as
/// Checkpoint::open.
Architecture read_architecture(const std::filesystem::path& path);

/// What a tensor is for. Those of one layer come first, then those of the whole model.
enum class TensorRole : std::uint8_t {
  attention_norm,
  query,
  key,
  value,
  query_bias,
  key_bias,
  value_bias,
  query_norm,
  key_norm,
  attention_output,
  feed_forward_norm,
  gate,
  up,
  down,
  embedding,
  output_norm,
  head,
};
inline constexpr int layer_role_count = static_cast<int>(TensorRole::embedding);
inline constexpr int role_count = static_cast<int>(TensorRole::head) + 1;

/// Extents of a tensor: `rows` outputs of `cols` inputs each; a vector is one row.
struct Extents {
  std::int64_t rows = 0, cols = 0;
  friend bool operator==(const Extents&, const Extents&) = default;
};

/// Whether a model of this architecture has a tensor of this role.
bool has_role(const Architecture& architecture, TensorRole role);

/// The extents that a tensor of this role must have.
Extents extents_of(const Architecture& architecture, TensorRole role);

/// How many weights a model of this architecture has; those of a tied head count once.
std::int64_t parameter_count(const Architecture& architecture);

/// A tensor as it lies in the file: row-major, rows of whole blocks of its type. Valid as long as its Checkpoint.
struct StoredTensor {
  std::string name;  ///< as the file calls it
  ops::WeightType type = ops::WeightType::f32;
  Extents extents;
  std::span<const std::byte> bytes;  ///< none in an outline
};

/// A vector's values, widened.
std::vector<float> read_vector(const StoredTensor& tensor);

/// Architecture and tensors of one model. Invariants: every tensor the architecture needs is there, of a type that can
/// be computed with and of the right extents; a tied head is the embedding. Owns the mapping of the file; an outline
/// has none, and is good for a memory plan only. Immutable, so it may be shared between threads.
class Checkpoint {
 public:
  /// Opens a GGUF file, or a folder as Hugging Face writes it. Throws UserError: not a model, an architecture or a
  /// setting we do not compute, a tensor that is missing, unknown, of a type without kernel or of the wrong shape; the
  /// message names file, key or tensor, and why.
  static std::shared_ptr<const Checkpoint> open(const std::filesystem::path& path);

  /// The same, but of a folder `config.json` is enough: without weights beside it, every tensor is of the type that it
  /// names and has no bytes.
  static std::shared_ptr<const Checkpoint> outline(const std::filesystem::path& path);

  /// What a reader of a file format found. `tensors` holds [layers][layer_role_count], then the roles of the whole
  /// model; those that the architecture does not have are empty. `mapping` keeps the tensors' bytes alive; null: there
  /// are none.
  Checkpoint(std::string source, Architecture architecture, std::vector<StoredTensor> tensors,
             std::shared_ptr<const void> mapping);

  const std::string& source() const { return source_; }  ///< the file or folder, for messages
  const Architecture& architecture() const { return architecture_; }
  bool has_weights() const { return mapping_ != nullptr; }  ///< false: an outline

  /// Bytes of all tensors as stored; those of a tied head count once.
  std::int64_t stored_bytes() const;

  /// `layer` counts only for the roles of a layer. Requires has_role().
  const StoredTensor& tensor(TensorRole role, int layer = 0) const;

 private:
  std::string source_;
  Architecture architecture_;
  std::vector<StoredTensor> tensors_;
  std::shared_ptr<const void> mapping_;
};

}  // namespace pipespec::model
