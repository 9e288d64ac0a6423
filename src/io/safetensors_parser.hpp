/// What a safetensors file holds, found and checked in one pass over its header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pipespec::io {

/// The element types of the format that checkpoints use.
enum class SafetensorsType { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean };

/// As the format spells it, "BF16".
std::string_view name(SafetensorsType type);

/// One tensor, still in the file: a view.
struct SafetensorsTensor {
  std::string name;
  SafetensorsType type = SafetensorsType::f32;
  std::vector<std::int64_t> shape;   ///< row-major; empty: a scalar
  std::span<const std::byte> bytes;  ///< any alignment
};

/// Reads `bytes`, the whole of the file called `name` (https://github.com/huggingface/safetensors, "Format"): u64
/// length of the header, a JSON header, the data. Throws UserError where anything in it is not as the format wants it:
/// lengths, JSON, types, shapes whose product overflows, offsets that are negative, unaligned, out of bounds or
/// overlap, names that occur twice. Allocates no more than a small multiple of the header's size.
std::vector<SafetensorsTensor> parse_safetensors(std::span<const std::byte> bytes, const std::string& name);

}  // namespace pipespec::io
