/// The bytes of GGUF files, good and bad, written field by field as the specification lists them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pipespec::testing {

/// Appends little-endian fields.
class FieldWriter {
 public:
  template <class T>
  FieldWriter& number(T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  FieldWriter& string(std::string_view text) {
    number<std::uint64_t>(text.size());
    bytes += text;
    return *this;
  }
  /// A metadata value of a scalar type.
  template <class T>
  FieldWriter& value(std::string_view key, std::uint32_t type, T scalar) {
    return string(key).number(type).number(scalar);
  }

  std::string bytes;
};

/// One entry of the tensor table.
struct TensorEntry {
  std::string name;
  std::vector<std::int64_t> dims;
  std::uint32_t type;
  std::uint64_t offset;
};

/// A small file with a value of every type and two tensors. Tests change one part of it and write it out.
struct GgufParts {
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::vector<std::string> values = every_value_type();
  std::vector<TensorEntry> tensors = {{"a.weight", {32, 2}, 2 /* Q4_0: 36 bytes */, 0},
                                      {"b.bias", {3}, 0 /* F32: 12 bytes */, 64}};
  std::size_t data_bytes = 76;
  std::size_t alignment = 32;

  static std::vector<std::string> every_value_type() {
    std::vector<std::string> all = {
        FieldWriter().value("u8", 0, std::uint8_t{200}).bytes,
        FieldWriter().value("i8", 1, std::int8_t{-100}).bytes,
        FieldWriter().value("u16", 2, std::uint16_t{60000}).bytes,
        FieldWriter().value("i16", 3, std::int16_t{-30000}).bytes,
        FieldWriter().value("u32", 4, std::uint32_t{4'000'000'000}).bytes,
        FieldWriter().value("i32", 5, std::int32_t{-2'000'000'000}).bytes,
        FieldWriter().value("f32", 6, 1.5F).bytes,
        FieldWriter().value("yes", 7, std::uint8_t{1}).bytes,
        FieldWriter().string("text").number<std::uint32_t>(8).string("hello").bytes,
        FieldWriter().value("u64", 10, std::uint64_t{1} << 40).bytes,
        FieldWriter().value("i64", 11, -(std::int64_t{1} << 40)).bytes,
        FieldWriter().value("f64", 12, 2.25).bytes,
        FieldWriter().value("huge", 10, ~std::uint64_t{0}).bytes,
    };
    all.push_back(array("numbers", 5, 3).number(1).number(-2).number(3).bytes);
    all.push_back(array("floats", 6, 2).number(0.5F).number(4.0F).bytes);
    all.push_back(array("words", 8, 3).string("a").string("").string("long word").bytes);
    all.push_back(array("nothing", 8, 0).bytes);
    return all;
  }

  static FieldWriter array(std::string_view key, std::uint32_t element_type, std::uint64_t count) {
    FieldWriter writer;
    writer.string(key).number<std::uint32_t>(9).number(element_type).number(count);
    return writer;
  }

  std::string bytes() const {
    FieldWriter file;
    file.bytes = magic;
    file.number(version).number<std::uint64_t>(tensors.size()).number<std::uint64_t>(values.size());
    for (const std::string& value : values) file.bytes += value;
    for (const TensorEntry& tensor : tensors) {
      file.string(tensor.name).number(static_cast<std::uint32_t>(tensor.dims.size()));
      for (const std::int64_t extent : tensor.dims) file.number(extent);
      file.number(tensor.type).number(tensor.offset);
    }
    file.bytes.resize((file.bytes.size() + alignment - 1) / alignment * alignment);
    for (std::size_t i = 0; i < data_bytes; ++i) file.bytes += static_cast<char>(i);
    return file.bytes;
  }
};

}  // namespace pipespec::testing
