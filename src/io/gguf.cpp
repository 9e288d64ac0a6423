#include "io/gguf.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "core/error.hpp"
#include "io/gguf_split.hpp"
#include "io/printable.hpp"

namespace pipespec::io {
namespace {

template <class T>
T load(const std::byte* place) {
  T value;
  std::memcpy(&value, place, sizeof(T));
  return value;
}

std::string_view load_string(const std::byte*& place) {
  const auto length = load<std::uint64_t>(place);
  const auto* characters = reinterpret_cast<const char*>(place + sizeof(length));
  place += sizeof(length) + length;
  return {characters, length};
}

/// Reads a scalar of the file's type into the wider T; false where the type is of another kind or the value does not
/// fit.
template <class T>
bool convert(GgufValueType type, const std::byte* place, T& result) {
  if constexpr (std::is_same_v<T, double>) {
    switch (type) {
      case GgufValueType::float32:
        result = static_cast<double>(load<float>(place));
        return true;
      case GgufValueType::float64:
        result = load<double>(place);
        return true;
      default:
        return false;
    }
  } else {
    switch (type) {
      case GgufValueType::uint8:
        result = load<std::uint8_t>(place);
        return true;
      case GgufValueType::int8:
        result = load<std::int8_t>(place);
        return true;
      case GgufValueType::uint16:
        result = load<std::uint16_t>(place);
        return true;
      case GgufValueType::int16:
        result = load<std::int16_t>(place);
        return true;
      case GgufValueType::uint32:
        result = load<std::uint32_t>(place);
        return true;
      case GgufValueType::int32:
        result = load<std::int32_t>(place);
        return true;
      case GgufValueType::int64:
        result = load<std::int64_t>(place);
        return true;
      case GgufValueType::uint64: {
        const auto value = load<std::uint64_t>(place);
        result = static_cast<std::int64_t>(value);
        return value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
      }
      default:
        return false;
    }
  }
}

bool read(const GgufValue& value, bool& result) {
  if (value.type != GgufValueType::boolean) return false;
  result = value.bytes[0] != std::byte{0};
  return true;
}

bool read(const GgufValue& value, std::int64_t& result) {
  return convert(value.type, value.bytes.data(), result);
}

bool read(const GgufValue& value, double& result) {
  return convert(value.type, value.bytes.data(), result);
}

bool read(const GgufValue& value, std::string_view& result) {
  result = {reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size()};
  return value.type == GgufValueType::string;
}

bool read(const GgufValue& value, std::vector<std::string_view>& result) {
  if (value.type != GgufValueType::array || value.element_type != GgufValueType::string) return false;
  const std::byte* place = value.bytes.data();
  result.reserve(value.count);
  for (std::uint64_t i = 0; i < value.count; ++i) result.push_back(load_string(place));
  return true;
}

template <class T>
bool read(const GgufValue& value, std::vector<T>& result) {
  if (value.type != GgufValueType::array) return false;
  result.resize(value.count);
  const std::size_t size = value.count == 0 ? 0 : value.bytes.size() / value.count;
  for (std::uint64_t i = 0; i < value.count; ++i)
    if (!convert(value.element_type, value.bytes.data() + i * size, result[i])) return false;
  return true;
}

template <class T>
constexpr std::string_view wanted = "";
template <>
constexpr std::string_view wanted<bool> = "boolean";
template <>
constexpr std::string_view wanted<std::int64_t> = "integer";
template <>
constexpr std::string_view wanted<double> = "floating-point number";
template <>
constexpr std::string_view wanted<std::string_view> = "string";
template <>
constexpr std::string_view wanted<std::vector<std::int64_t>> = "array of integers";
template <>
constexpr std::string_view wanted<std::vector<double>> = "array of floating-point numbers";
template <>
constexpr std::string_view wanted<std::vector<std::string_view>> = "array of strings";

std::string description(const GgufValue& value) {
  if (value.type != GgufValueType::array) return std::string(name(value.type));
  return fmt::format("array of {} {}", value.count, name(value.element_type));
}

}  // namespace

GgufFile::GgufFile(const std::filesystem::path& path) : GgufFile(MappedFile(path)) {
  open_others();
}

GgufFile::GgufFile(std::span<const std::byte> bytes, std::filesystem::path path)
    : GgufFile(bytes, std::move(path), Alone()) {
  open_others();
}

GgufFile::GgufFile(MappedFile file) : GgufFile(file.bytes(), file.path(), Alone()) {
  mapping_ = std::move(file);  // which leaves the bytes in their place
}

GgufFile::GgufFile(std::span<const std::byte> bytes, std::filesystem::path path, Alone)
    : bytes_(bytes), path_(std::move(path)), contents_(parse_gguf(bytes_, path_.string())) {
  for (std::size_t i = 0; i < contents_.tensors.size(); ++i) tensor_index_.emplace(contents_.tensors[i].name, i);
}

void GgufFile::open_others() {
  const std::vector<std::filesystem::path> names = gguf_parts(path());
  const std::string source = path().string();
  const auto count = std::max<std::int64_t>(find<std::int64_t>("split.count").value_or(1), 1);
  const auto number = find<std::int64_t>("split.no").value_or(0);
  validate(std::ssize(names) == count,
           "{} is one of {} files by its name and one of {} by split.count (the parts of a model are found by their "
           "names): give them back the names they were made with",
           source, names.size(), count);
  if (count == 1) return;
  validate(number == 0 && path() == names[0], "{} is part {} of {} of a model (split.no): open the first, {}", source,
           number + 1, count, names[0].string());
  for (std::int64_t i = 1; i < count; ++i) {
    const std::filesystem::path& name = names[static_cast<std::size_t>(i)];
    validate(std::filesystem::exists(name),
             "{} is missing (part {} of {} of the model {}): put all parts into one folder", name.string(), i + 1,
             count, source);
    const GgufFile& part = others_.emplace_back(GgufFile(MappedFile(name)));
    const auto found = part.get<std::int64_t>("split.no") + 1, of = part.get<std::int64_t>("split.count");
    validate(
        found == i + 1 && of == count,
        "{} holds part {} of {} of a model (split.no and split.count; its name says {} of {}): get the parts again",
        name.string(), found, of, i + 1, count);
    take_tensors(part);
  }
  const auto wanted = get<std::int64_t>("split.tensors.count");
  validate(std::ssize(contents_.tensors) == wanted,
           "{} and its other parts hold {} tensors (split.tensors.count is {}): get the parts again", source,
           contents_.tensors.size(), wanted);
}

void GgufFile::take_tensors(const GgufFile& part) {
  for (const GgufTensor& tensor : part.contents_.tensors) {
    const bool is_new = tensor_index_.emplace(tensor.name, contents_.tensors.size()).second;
    validate(is_new, "tensor {} of {} is in an earlier part, too (each belongs to one): get the parts again",
             printable(tensor.name), part.path().string());
    contents_.tensors.push_back(tensor);
  }
}

std::int64_t GgufFile::file_bytes() const {
  auto bytes = static_cast<std::int64_t>(bytes_.size());
  for (const GgufFile& part : others_) bytes += part.file_bytes();
  return bytes;
}

const GgufTensor* GgufFile::find_tensor(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &contents_.tensors[found->second];
}

const GgufTensor& GgufFile::tensor(std::string_view name) const {
  const GgufTensor* found = find_tensor(name);
  validate(found != nullptr, "{} has no tensor {} (the model needs it): get the file again", path().string(),
           printable(name));
  return *found;
}

const GgufValue* GgufFile::find_value(std::string_view key) const {
  const auto found = std::ranges::find(contents_.metadata, key, &GgufValue::key);
  return found == contents_.metadata.end() ? nullptr : &*found;
}

void GgufFile::reject_missing_key(std::string_view key) const {
  reject("{} has no metadata key {} (the model cannot be used without it): get the file again", path().string(),
         printable(key));
}

template <class T>
std::optional<T> GgufFile::find(std::string_view key) const {
  const GgufValue* value = find_value(key);
  if (value == nullptr) return std::nullopt;
  T result{};
  validate(read(*value, result),
           "{}: metadata key {} is of type {} (a value that fits into {} is needed): get the file again",
           path().string(), printable(key), description(*value), wanted<T>);
  return result;
}

template std::optional<bool> GgufFile::find(std::string_view) const;
template std::optional<std::int64_t> GgufFile::find(std::string_view) const;
template std::optional<double> GgufFile::find(std::string_view) const;
template std::optional<std::string_view> GgufFile::find(std::string_view) const;
template std::optional<std::vector<std::int64_t>> GgufFile::find(std::string_view) const;
template std::optional<std::vector<double>> GgufFile::find(std::string_view) const;
template std::optional<std::vector<std::string_view>> GgufFile::find(std::string_view) const;

}  // namespace pipespec::io
