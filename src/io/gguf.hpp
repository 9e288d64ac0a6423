/// Reader of GGUF model files, versions 2 and 3, little endian
/// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "io/ggml_type.hpp"
#include "io/mapped_file.hpp"

namespace pipespec::io {

/// Numbered as in the file.
enum class GgufValueType : std::uint32_t {
  uint8 = 0,
  int8 = 1,
  uint16 = 2,
  int16 = 3,
  uint32 = 4,
  int32 = 5,
  float32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  uint64 = 10,
  int64 = 11,
  float64 = 12,
};

/// One metadata value, still in the file. Bounds were checked when the file was opened.
struct GgufValue {
  std::string_view key;
  GgufValueType type = GgufValueType::uint8;
  GgufValueType element_type = GgufValueType::uint8;  ///< of an array; else `type`
  std::uint64_t count = 1;                            ///< of an array's elements
  std::span<const std::byte> bytes;  ///< the value(s); a string: its characters; strings: with their lengths
};

/// One tensor, still in the file.
struct GgufTensor {
  std::string_view name;
  GgmlType type = GgmlType::f32;
  std::vector<std::int64_t> dims;    ///< [1 to 4] in GGUF's order: dims[0] is the contiguous one (a row's length)
  std::span<const std::byte> bytes;  ///< rows of blocks, back to back

  std::int64_t elements() const;
  std::int64_t row_bytes() const;  ///< of dims[0] values
};

/// A GGUF file, mapped and checked: magic, version, every count, length, offset and alignment, before anything is used,
/// so that the views it hands out need no further check. Owns the mapping; views must not outlive it. Immutable: safe
/// to read from any thread. All errors are UserErrors that name the file.
class GgufFile {
 public:
  explicit GgufFile(const std::filesystem::path& path);
  GgufFile(GgufFile&&) noexcept = default;

  const std::filesystem::path& path() const { return file_.path(); }
  std::uint32_t version() const { return version_; }
  std::uint64_t alignment() const { return alignment_; }
  std::int64_t file_bytes() const { return static_cast<std::int64_t>(file_.bytes().size()); }

  std::span<const GgufTensor> tensors() const { return tensors_; }  ///< in the file's order
  const GgufTensor* find_tensor(std::string_view name) const;       ///< nullptr where there is none
  const GgufTensor& tensor(std::string_view name) const;            ///< throws where there is none

  std::span<const GgufValue> metadata() const { return metadata_; }  ///< in the file's order
  bool has(std::string_view key) const { return find_value(key) != nullptr; }

  /// The value of `key` as T; nullopt where there is no such key, UserError where it has another type.
  /// T: bool, std::int64_t (any integer that fits), double (float32 or float64), std::string_view (into the file),
  /// or std::vector of std::int64_t, double or std::string_view (views into the file).
  template <class T>
  std::optional<T> find(std::string_view key) const;

  /// As find, but a missing key is a UserError.
  template <class T>
  T get(std::string_view key) const;

 private:
  const GgufValue* find_value(std::string_view key) const;
  [[noreturn]] void reject_missing_key(std::string_view key) const;

  MappedFile file_;
  std::uint32_t version_ = 0;
  std::uint64_t alignment_ = 0;
  std::vector<GgufValue> metadata_;
  std::vector<GgufTensor> tensors_;
  std::unordered_map<std::string_view, std::size_t> metadata_index_;  // key → index in metadata_
  std::unordered_map<std::string_view, std::size_t> tensor_index_;    // name → index in tensors_
};

template <class T>
T GgufFile::get(std::string_view key) const {
  auto value = find<T>(key);
  if (!value) reject_missing_key(key);
  return *std::move(value);
}

}  // namespace pipespec::io
