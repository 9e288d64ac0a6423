/// Reader of GGUF model files, versions 2 and 3, little endian
/// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "io/gguf_parser.hpp"
#include "io/mapped_file.hpp"

namespace pipespec::io {

/// A GGUF file, mapped and checked as a whole when it is opened, so that the views it hands out need no further check.
/// The first of the files into which gguf-split cut a model opens all of them: the metadata is the first one's, the
/// tensors are everyone's. Owns the mappings; views must not outlive it. Immutable: safe to read from any thread. All
/// errors are UserErrors that name the file.
class GgufFile {
 public:
  /// `path` is a whole model, or the first part of one (gguf_split.hpp).
  explicit GgufFile(const std::filesystem::path& path);

  /// The file called `path`, of which `bytes` are the whole: the caller keeps them.
  GgufFile(std::span<const std::byte> bytes, std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }         ///< the first part's
  int parts() const { return static_cast<int>(others_.size()) + 1; }  ///< files
  std::int64_t file_bytes() const;                                    ///< of all parts
  std::uint32_t version() const { return contents_.version; }
  std::uint64_t alignment() const { return contents_.alignment; }

  std::span<const GgufTensor> tensors() const { return contents_.tensors; }  ///< in the files' order
  const GgufTensor* find_tensor(std::string_view name) const;                ///< nullptr where there is none
  const GgufTensor& tensor(std::string_view name) const;                     ///< throws where there is none

  std::span<const GgufValue> metadata() const { return contents_.metadata; }  ///< in the file's order
  bool has(std::string_view key) const { return find_value(key) != nullptr; }

  /// The value of `key` as T; nullopt where there is no such key, UserError where it has another type.
  /// T: bool, std::int64_t (any integer that fits), double (float32 or float64), std::string_view (into the file), or
  /// std::vector of std::int64_t, double or std::string_view (views into the file).
  template <class T>
  std::optional<T> find(std::string_view key) const;

  /// As find, but a missing key is a UserError.
  template <class T>
  T get(std::string_view key) const {
    std::optional<T> value = find<T>(key);
    if (!value) reject_missing_key(key);
    return *std::move(value);
  }

 private:
  enum class Alone {};  // one file, whatever part it is
  explicit GgufFile(MappedFile file);
  GgufFile(std::span<const std::byte> bytes, std::filesystem::path path, Alone);
  void open_others();
  void take_tensors(const GgufFile& part);
  const GgufValue* find_value(std::string_view key) const;
  [[noreturn]] void reject_missing_key(std::string_view key) const;

  std::optional<MappedFile> mapping_;  // none: the bytes are the caller's
  std::span<const std::byte> bytes_;
  std::filesystem::path path_;
  std::vector<GgufFile> others_;                                    // the parts after the first
  GgufContents contents_;                                           // views into bytes_, tensors also into others_
  std::unordered_map<std::string_view, std::size_t> tensor_index_;  // name → index in contents_.tensors
};

}  // namespace pipespec::io
