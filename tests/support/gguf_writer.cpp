#include "support/gguf_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <fstream>
#include <random>
#include <stdexcept>

#include "ops/dequantize.hpp"
#include "support/block_scales.hpp"

namespace pipespec::testing {
namespace {

constexpr std::uint64_t alignment = 32;
constexpr std::size_t block = 32;

template <class T>
void append(std::vector<std::byte>& to, T value) {
  const auto bytes = std::bit_cast<std::array<std::byte, sizeof(T)>>(value);
  to.insert(to.end(), bytes.begin(), bytes.end());
}

void append(std::vector<std::byte>& to, const std::string& text) {
  append(to, static_cast<std::uint64_t>(text.size()));
  for (const char c : text) to.push_back(static_cast<std::byte>(c));
}

/// Stores a half-precision number and returns its value.
float append_half(std::vector<std::byte>& to, float value) {
  const auto half = static_cast<_Float16>(value);
  append(to, half);
  return static_cast<float>(half);
}

float append_bfloat(std::vector<std::byte>& to, float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto rounded = static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  append(to, rounded);
  return std::bit_cast<float>(static_cast<std::uint32_t>(rounded) << 16);
}

float reciprocal(float scale) {
  return scale == 0 ? 0 : 1 / scale;
}

float nibble(float value) {
  return std::clamp(std::round(value), 0.0f, 15.0f);
}

void append_q8_0(std::vector<std::byte>& to, std::span<float> x) {
  float largest = 0;
  for (const float v : x) largest = std::max(largest, std::abs(v));
  const float scale = append_half(to, largest / 127);
  for (float& v : x) {
    const float q = std::clamp(std::round(v * reciprocal(scale)), -127.0f, 127.0f);
    append(to, static_cast<std::int8_t>(q));
    v = scale * q;
  }
}

/// Value i sits in the low half of byte i, value i + 16 in the high half.
void append_nibbles(std::vector<std::byte>& to, std::span<const float> q) {
  for (std::size_t i = 0; i < block / 2; ++i)
    append(to, static_cast<std::uint8_t>(static_cast<int>(q[i]) | static_cast<int>(q[i + block / 2]) << 4));
}

void append_q4_0(std::vector<std::byte>& to, std::span<float> x) {
  const float extreme = *std::ranges::max_element(x, {}, [](float v) { return std::abs(v); });
  const float scale = append_half(to, extreme / -8);
  std::array<float, block> q;
  for (std::size_t i = 0; i < block; ++i) {
    q[i] = nibble(x[i] * reciprocal(scale) + 8);
    x[i] = scale * (q[i] - 8);
  }
  append_nibbles(to, q);
}

void append_q4_1(std::vector<std::byte>& to, std::span<float> x) {
  const auto [low, high] = std::ranges::minmax(x);
  const float scale = append_half(to, (high - low) / 15);
  const float minimum = append_half(to, low);
  std::array<float, block> q;
  for (std::size_t i = 0; i < block; ++i) {
    q[i] = nibble((x[i] - minimum) * reciprocal(scale));
    x[i] = scale * q[i] + minimum;
  }
  append_nibbles(to, q);
}

float root_mean_square(std::span<const float> x) {
  double sum = 0;
  for (const float v : x) sum += static_cast<double>(v) * static_cast<double>(v);
  return static_cast<float>(std::sqrt(sum / static_cast<double>(x.size())));
}

/// A block of random bits, always the same for the same values, with the values' root mean square.
void append_random(std::vector<std::byte>& to, ops::WeightType type, std::span<float> x) {
  std::mt19937 random(std::bit_cast<std::uint32_t>(x[0]));
  std::vector<std::byte> stored(static_cast<std::size_t>(ops::block_format(type).bytes));
  for (std::byte& byte : stored) byte = static_cast<std::byte>(random() & 0xff);
  const float wanted = root_mean_square(x), centre = scale_places(type).centre;
  set_scales(type, stored.data(), 1, centre);
  ops::dequantize_row(type, stored, x);
  const float d = wanted * reciprocal(root_mean_square(x));
  set_scales(type, stored.data(), d, d * centre);
  ops::dequantize_row(type, stored, x);
  to.insert(to.end(), stored.begin(), stored.end());
}

/// Writes a value without its type, or a number standing for its type (GGUF's numbering).
struct ValueBytes {
  std::vector<std::byte>& to;
  void operator()(bool v) const { append(to, static_cast<std::uint8_t>(v)); }
  void operator()(const std::string& v) const { append(to, v); }
  template <class T>
  void operator()(T v) const {
    append(to, v);
  }
  template <class T>
  void operator()(const std::vector<T>& v) const {
    append(to, number(T{}));
    append(to, static_cast<std::uint64_t>(v.size()));
    for (const T& element : v) (*this)(element);
  }
  static std::uint32_t number(std::uint32_t) { return 4; }
  static std::uint32_t number(std::int32_t) { return 5; }
  static std::uint32_t number(float) { return 6; }
  static std::uint32_t number(bool) { return 7; }
  static std::uint32_t number(const std::string&) { return 8; }
  template <class T>
  static std::uint32_t number(const std::vector<T>&) {
    return 9;
  }
};

void pad(std::vector<std::byte>& bytes) {
  bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
}

}  // namespace

std::vector<std::byte> encode(io::GgmlType type, std::span<float> values) {
  std::vector<std::byte> bytes;
  const auto each = [&](auto append_value) {
    for (float& v : values) v = append_value(bytes, v);
  };
  const auto blocks = [&](auto append_block, std::size_t length = block) {
    if (values.size() % length != 0) throw std::invalid_argument("a quantised row holds whole blocks");
    for (std::size_t i = 0; i < values.size(); i += length) append_block(bytes, values.subspan(i, length));
  };
  const auto random_blocks = [&](ops::WeightType kind) {
    blocks([=](std::vector<std::byte>& to, std::span<float> x) { append_random(to, kind, x); },
           static_cast<std::size_t>(ops::block_format(kind).length));
  };
  switch (type) {
    case io::GgmlType::f32:
      for (const float v : values) append(bytes, v);
      break;
    case io::GgmlType::f16:
      each(append_half);
      break;
    case io::GgmlType::bf16:
      each(append_bfloat);
      break;
    case io::GgmlType::q8_0:
      blocks(append_q8_0);
      break;
    case io::GgmlType::q4_0:
      blocks(append_q4_0);
      break;
    case io::GgmlType::q4_1:
      blocks(append_q4_1);
      break;
    case io::GgmlType::q5_0:
      random_blocks(ops::WeightType::q5_0);
      break;
    case io::GgmlType::q5_1:
      random_blocks(ops::WeightType::q5_1);
      break;
    case io::GgmlType::q2_k:
      random_blocks(ops::WeightType::q2_k);
      break;
    case io::GgmlType::q3_k:
      random_blocks(ops::WeightType::q3_k);
      break;
    case io::GgmlType::q4_k:
      random_blocks(ops::WeightType::q4_k);
      break;
    case io::GgmlType::q5_k:
      random_blocks(ops::WeightType::q5_k);
      break;
    case io::GgmlType::q6_k:
      random_blocks(ops::WeightType::q6_k);
      break;
    default:
      throw std::invalid_argument("no encoder for this type");
  }
  return bytes;
}

GgufWriter::Tensor& GgufWriter::tensor(const std::string& name) {
  const auto found = std::ranges::find(tensors_, name, &Tensor::name);
  if (found == tensors_.end()) throw std::out_of_range("no tensor " + name);
  return *found;
}

void GgufWriter::remove_tensor(const std::string& name) {
  tensor(name);
  std::erase_if(tensors_, [&](const Tensor& t) { return t.name == name; });
}

void GgufWriter::write(const std::filesystem::path& path) const {
  std::vector<std::byte> head;
  for (const char c : {'G', 'G', 'U', 'F'}) head.push_back(static_cast<std::byte>(c));
  append(head, std::uint32_t{3});
  append(head, static_cast<std::uint64_t>(tensors_.size()));
  append(head, static_cast<std::uint64_t>(metadata_.size()));
  for (const auto& [key, value] : metadata_) {
    append(head, key);
    append(head, std::visit([](const auto& v) { return ValueBytes::number(v); }, value));
    std::visit(ValueBytes{head}, value);
  }
  std::vector<std::byte> data;
  for (const Tensor& t : tensors_) {
    append(head, t.name);
    append(head, static_cast<std::uint32_t>(t.dims.size()));
    for (const std::uint64_t dim : t.dims) append(head, dim);
    append(head, static_cast<std::uint32_t>(t.type));
    append(head, static_cast<std::uint64_t>(data.size()));
    data.insert(data.end(), t.bytes.begin(), t.bytes.end());
    pad(data);
  }
  pad(head);
  std::ofstream out(path, std::ios::binary);
  out.exceptions(std::ios::failbit | std::ios::badbit);
  out.write(reinterpret_cast<const char*>(head.data()), static_cast<std::streamsize>(head.size()));
  out.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
}

std::vector<GgufWriter> GgufWriter::split(std::size_t count) const {
  std::vector<GgufWriter> parts(count);
  parts[0].metadata_ = metadata_;
  for (std::size_t i = 0; i < count; ++i) {
    parts[i].set("split.no", static_cast<std::uint32_t>(i));
    parts[i].set("split.count", static_cast<std::uint32_t>(count));
    parts[i].set("split.tensors.count", static_cast<std::int32_t>(tensors_.size()));
    const std::size_t begin = tensors_.size() * i / count, end = tensors_.size() * (i + 1) / count;
    for (std::size_t t = begin; t < end; ++t) parts[i].add_tensor(tensors_[t]);
  }
  return parts;
}

std::filesystem::path GgufWriter::write_parts(std::span<const GgufWriter> parts, const std::filesystem::path& whole) {
  const auto path = [&](std::size_t part) {
    return whole.parent_path() / fmt::format("{}-{:05}-of-{:05}.gguf", whole.stem().string(), part, parts.size());
  };
  for (std::size_t i = 0; i < parts.size(); ++i) parts[i].write(path(i + 1));
  return path(1);
}

}  // namespace pipespec::testing
