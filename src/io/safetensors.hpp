/// Reader of a checkpoint in the safetensors format: one file, or shards with an index.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "io/mapped_file.hpp"
#include "io/safetensors_parser.hpp"

namespace pipespec::io {

/// The tensors of `model.safetensors`, or of the shards that `model.safetensors.index.json` lists, in one folder. Every
/// file is mapped and checked when it is opened; nothing is read of the data. Owns the mappings; views must not outlive
/// it. Immutable. All errors are UserErrors that name the file.
class SafetensorsFolder {
 public:
  explicit SafetensorsFolder(const std::filesystem::path& folder);

  /// Whether the folder holds one of the two files.
  static bool is_there(const std::filesystem::path& folder);

  std::span<const SafetensorsTensor> tensors() const { return tensors_; }
  const SafetensorsTensor* find(std::string_view name) const;  ///< nullptr where there is none

 private:
  void open_file(const std::filesystem::path& file);
  void open_shards(const std::filesystem::path& index);

  std::vector<MappedFile> files_;
  std::vector<SafetensorsTensor> tensors_;
  std::unordered_map<std::string_view, std::size_t> index_;  // name → place in tensors_
};

}  // namespace pipespec::io
