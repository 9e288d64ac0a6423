/// Writes GGUF files for tests: good ones, and ones with a fault.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "io/ggml_type.hpp"

namespace pipespec::testing {

/// Encodes `values` in `type` (whole blocks) and replaces them by what the stored bytes mean: the nearest values in
/// F32, F16, BF16, Q8_0, Q4_0 and Q4_1; random ones of the same size in Q5_0, Q5_1 and Q2_K to Q6_K.
std::vector<std::byte> encode(io::GgmlType type, std::span<float> values);

/// A GGUF file being put together (version 3). Nothing is checked: a test may write nonsense.
class GgufWriter {
 public:
  using Value = std::variant<bool, std::uint32_t, std::int32_t, float, std::string, std::vector<std::string>,
                             std::vector<std::int32_t>>;
  struct Tensor {
    std::string name;
    io::GgmlType type = io::GgmlType::f32;
    std::vector<std::uint64_t> dims;  ///< in GGUF's order: a row's length first
    std::vector<std::byte> bytes;
  };

  void set(const std::string& key, Value value) { metadata_[key] = std::move(value); }
  void remove(const std::string& key) { metadata_.erase(key); }
  void add_tensor(Tensor tensor) { tensors_.push_back(std::move(tensor)); }
  void remove_tensor(const std::string& name);
  Tensor& tensor(const std::string& name);  ///< throws std::out_of_range

  void write(const std::filesystem::path& path) const;

  /// What llama.cpp's gguf-split makes of the file: the metadata in the first of `count` parts, the tensors divided.
  std::vector<GgufWriter> split(std::size_t count) const;

  /// Writes the parts beside `whole`, NAME.gguf, as NAME-00001-of-00003.gguf and so on; returns the first one's path.
  static std::filesystem::path write_parts(std::span<const GgufWriter> parts, const std::filesystem::path& whole);

 private:
  std::map<std::string, Value> metadata_;
  std::vector<Tensor> tensors_;
};

}  // namespace pipespec::testing
