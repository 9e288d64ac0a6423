/// What a GGUF file holds, found and checked in one pass over its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/ggml_type.hpp"

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

/// As the specification spells it, "uint8".
std::string_view name(GgufValueType type);

/// One metadata value, still in the file: a view.
struct GgufValue {
  std::string_view key;
  GgufValueType type = GgufValueType::uint8;
  GgufValueType element_type = GgufValueType::uint8;  ///< of an array; else the same as `type`
  std::uint64_t count = 1;                            ///< of an array's elements
  std::span<const std::byte> bytes;  ///< a string's characters; a scalar; an array's scalars, or strings with lengths
};

/// One tensor, still in the file: a view.
struct GgufTensor {
  std::string_view name;
  GgmlType type = GgmlType::f32;
  std::vector<std::int64_t> dims;    ///< [1 to 4] in GGUF's order: dims[0] is the contiguous one (the length of a row)
  std::span<const std::byte> bytes;  ///< rows of blocks, back to back

  std::int64_t elements() const;
  std::int64_t row_bytes() const;  ///< of dims[0] values
};

/// Views into the bytes of a file, all of them checked.
struct GgufContents {
  std::uint32_t version = 0;
  std::uint64_t alignment = 32;
  std::vector<GgufValue> metadata;  ///< in the file's order
  std::vector<GgufTensor> tensors;  ///< in the file's order
};

/// Reads `bytes`, the whole of the file called `name`. Throws UserError where anything in it is not as the format wants
/// it: magic, version, counts, lengths, types, offsets, alignment, tensors that overlap or reach beyond the end, names
/// that occur twice. Allocates no more than a small multiple of the file's size, whatever its counts claim.
GgufContents parse_gguf(std::span<const std::byte> bytes, const std::string& name);

}  // namespace pipespec::io
