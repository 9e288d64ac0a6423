#include "io/safetensors_parser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "core/error.hpp"
#include "io/printable.hpp"

namespace pipespec::io {

namespace {

using nlohmann::json;

struct TypeInfo {
  SafetensorsType type;
  std::string_view name;
  std::int64_t bytes;
};

constexpr std::array<TypeInfo, 10> types = {{{SafetensorsType::f64, "F64", 8},
                                             {SafetensorsType::f32, "F32", 4},
                                             {SafetensorsType::f16, "F16", 2},
                                             {SafetensorsType::bf16, "BF16", 2},
                                             {SafetensorsType::i64, "I64", 8},
                                             {SafetensorsType::i32, "I32", 4},
                                             {SafetensorsType::i16, "I16", 2},
                                             {SafetensorsType::i8, "I8", 1},
                                             {SafetensorsType::u8, "U8", 1},
                                             {SafetensorsType::boolean, "BOOL", 1}}};

constexpr std::size_t largest_header = 100'000'000;  // as in the reference implementation
constexpr std::size_t most_dimensions = 8;

/// Reads one file.
class Parser {
 public:
  Parser(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  std::vector<SafetensorsTensor> parse() {
    const json header = read_header();
    std::vector<SafetensorsTensor> tensors;
    tensors.reserve(header.size());
    for (const auto& [key, entry] : header.items()) {
      if (key != "__metadata__") tensors.push_back(tensor(key, entry));
    }
    check_overlap(tensors);
    return tensors;
  }

 private:
  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    reject("{} is not a valid safetensors file ({}): get the file again", name_,
           fmt::format(format, std::forward<Args>(args)...));
  }

  json read_header() {
    std::uint64_t length = 0;
    if (bytes_.size() < sizeof length) fail("it ends inside the length of its header");
    std::memcpy(&length, bytes_.data(), sizeof length);
    if (length > largest_header || length > bytes_.size() - sizeof length)
      fail("its header of {} bytes does not fit into its {} bytes", length, bytes_.size());
    const auto* text = reinterpret_cast<const char*>(bytes_.data()) + sizeof length;
    data_ = bytes_.subspan(sizeof length + length);
    std::set<std::string> names;
    const auto check_key = [&](int depth, json::parse_event_t event, const json& value) {
      if (event == json::parse_event_t::key && depth == 1 && !names.insert(value.get<std::string>()).second)
        fail("tensor {} occurs twice", printable(value.get<std::string>()));
      if (depth > 3) fail("its header is nested too deeply");
      return true;
    };
    json header;
    try {
      header = json::parse(text, text + length, check_key);
    } catch (const json::exception& error) {
      fail("its header is not JSON");
    }
    if (!header.is_object()) fail("its header is not a JSON object");
    return header;
  }

  SafetensorsTensor tensor(const std::string& tensor_name, const json& entry) const {
    SafetensorsTensor tensor;
    tensor.name = tensor_name;
    const auto at = [&](const char* key) -> const json& {
      const auto found = entry.is_object() ? entry.find(key) : entry.end();
      if (!entry.is_object() || found == entry.end()) fail("tensor {} has no {}", printable(tensor_name), key);
      return *found;
    };
    const TypeInfo& type = type_of(tensor_name, at("dtype"));
    tensor.type = type.type;
    tensor.shape = integers(tensor_name, "shape", at("shape"));
    const std::vector<std::int64_t> offsets = integers(tensor_name, "data_offsets", at("data_offsets"));
    if (offsets.size() != 2) fail("tensor {} has {} data_offsets", printable(tensor_name), offsets.size());
    const auto [begin, end] = std::pair(offsets[0], offsets[1]);
    if (begin > end || end > std::ssize(data_))
      fail("tensor {} lies at bytes {} to {} of {}", printable(tensor_name), begin, end, data_.size());
    if (begin % type.bytes != 0)
      fail("tensor {} begins at byte {}, which is not aligned to its type {}", printable(tensor_name), begin,
           type.name);
    std::int64_t bytes = type.bytes;
    for (const std::int64_t extent : tensor.shape) {
      if (__builtin_mul_overflow(bytes, extent, &bytes))
        fail("tensor {} has more elements than any file", printable(tensor_name));
    }
    if (bytes != end - begin) fail("tensor {} needs {} bytes and has {}", printable(tensor_name), bytes, end - begin);
    tensor.bytes = data_.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(bytes));
    return tensor;
  }

  const TypeInfo& type_of(const std::string& tensor_name, const json& value) const {
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    const auto* found = std::ranges::find(types, text, &TypeInfo::name);
    if (found == types.end())
      reject("tensor {} of {} is of type {} (not supported): choose another checkpoint", printable(tensor_name), name_,
             printable(text));
    return *found;
  }

  std::vector<std::int64_t> integers(const std::string& tensor_name, const char* key, const json& list) const {
    std::vector<std::int64_t> values;
    if (!list.is_array() || list.size() > most_dimensions)
      fail("the {} of tensor {} is no list of integers", key, printable(tensor_name));
    for (const json& value : list) {
      const bool fits = value.is_number_unsigned() && value.get<std::uint64_t>() <= std::uint64_t{INT64_MAX};
      if (!fits) fail("the {} of tensor {} holds {}", key, printable(tensor_name), printable(value.dump()));
      values.push_back(static_cast<std::int64_t>(value.get<std::uint64_t>()));
    }
    return values;
  }

  void check_overlap(const std::vector<SafetensorsTensor>& tensors) const {
    std::vector<const SafetensorsTensor*> order;
    for (const SafetensorsTensor& tensor : tensors) {
      if (!tensor.bytes.empty()) order.push_back(&tensor);
    }
    std::ranges::sort(order, {}, [](const SafetensorsTensor* tensor) { return tensor->bytes.data(); });
    for (std::size_t i = 1; i < order.size(); ++i) {
      if (order[i - 1]->bytes.data() + order[i - 1]->bytes.size() > order[i]->bytes.data())
        fail("tensors {} and {} overlap", printable(order[i - 1]->name), printable(order[i]->name));
    }
  }

  std::span<const std::byte> bytes_;
  std::span<const std::byte> data_;
  const std::string& name_;
};

}  // namespace

std::string_view name(SafetensorsType type) {
  return std::ranges::find(types, type, &TypeInfo::type)->name;
}

std::vector<SafetensorsTensor> parse_safetensors(std::span<const std::byte> bytes, const std::string& name) {
  return Parser(bytes, name).parse();
}

}  // namespace pipespec::io
