/// The storage types of GGUF tensors: their numbers, names and block layouts (ggml.h, gguf-py's constants).
#pragma once

#include <cstdint>
#include <string_view>

namespace pipespec::io {

/// Numbered as in the file. Every type ever released is known, whether or not there is a kernel for it.
enum class GgmlType : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q8_1 = 9,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  q8_k = 15,
  iq2_xxs = 16,
  iq2_xs = 17,
  iq3_xxs = 18,
  iq1_s = 19,
  iq4_nl = 20,
  iq3_s = 21,
  iq2_s = 22,
  iq4_xs = 23,
  i8 = 24,
  i16 = 25,
  i32 = 26,
  i64 = 27,
  f64 = 28,
  iq1_m = 29,
  bf16 = 30,
  tq1_0 = 34,
  tq2_0 = 35,
  mxfp4 = 39,
  nvfp4 = 40,
  q1_0 = 41,
};

/// Values are stored in blocks along the first dimension (a row): `block_length` of them in `block_bytes` bytes.
struct GgmlTypeInfo {
  GgmlType type;
  std::string_view name;  ///< as ggml spells it, "Q4_1"
  std::int64_t block_length;
  std::int64_t block_bytes;
};

/// The layout of the type numbered `number`; nullptr where there is no such type.
const GgmlTypeInfo* find_ggml_type(std::uint32_t number);

/// The layout of a known type.
const GgmlTypeInfo& info(GgmlType type);

}  // namespace pipespec::io
