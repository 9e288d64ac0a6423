#include "io/gguf_parser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <unordered_set>

#include "core/error.hpp"
#include "io/printable.hpp"

namespace pipespec::io {

static_assert(std::endian::native == std::endian::little, "GGUF values are read as they lie in the file");

namespace {

constexpr std::size_t min_value_bytes = 8 + 4 + 1;           // key length, type, the smallest value
constexpr std::size_t min_tensor_bytes = 8 + 4 + 8 + 4 + 8;  // name length, dimensions, one extent, type, offset

struct ValueTypeInfo {
  std::string_view name;
  std::size_t bytes;  // 0: of no fixed size
};

constexpr std::array<ValueTypeInfo, 13> value_types = {{{"uint8", 1},
                                                        {"int8", 1},
                                                        {"uint16", 2},
                                                        {"int16", 2},
                                                        {"uint32", 4},
                                                        {"int32", 4},
                                                        {"float32", 4},
                                                        {"boolean", 1},
                                                        {"string", 0},
                                                        {"array", 0},
                                                        {"uint64", 8},
                                                        {"int64", 8},
                                                        {"float64", 8}}};

std::size_t scalar_bytes(GgufValueType type) {
  return value_types[static_cast<std::size_t>(type)].bytes;
}

/// Reads one file from front to back. Every read is checked against the end.
class Parser {
 public:
  Parser(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  GgufContents parse();

 private:
  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    reject("{} is not a valid GGUF file ({}): get the file again", name_,
           fmt::format(format, std::forward<Args>(args)...));
  }

  std::size_t remaining() const { return bytes_.size() - position_; }

  std::span<const std::byte> take(std::uint64_t count, std::string_view what) {
    if (count > remaining())
      fail("it ends at byte {}, inside {}, which needs {} bytes more", bytes_.size(), what, count - remaining());
    const auto taken = bytes_.subspan(position_, count);
    position_ += count;
    return taken;
  }

  template <class T>
  T scalar(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }

  std::string_view string(std::string_view what) {
    const auto bytes = take(scalar<std::uint64_t>(what), what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  std::uint32_t read_header();
  GgufValueType value_type(std::string_view key);
  GgufValue read_value();
  void read_array(GgufValue& value, std::string_view what);
  GgufTensor read_tensor_info(std::uint64_t& offset);
  std::uint64_t checked_bytes(const GgufTensor& tensor) const;
  std::uint64_t alignment_of(const std::vector<GgufValue>& metadata) const;
  void place_tensors(GgufContents& contents, const std::vector<std::uint64_t>& offsets);
  void check_overlaps(const std::vector<GgufTensor>& tensors) const;

  std::span<const std::byte> bytes_;
  const std::string& name_;
  std::size_t position_ = 0;
};

std::uint32_t Parser::read_header() {
  constexpr std::string_view magic = "GGUF";
  validate(bytes_.size() >= magic.size() && std::memcmp(bytes_.data(), magic.data(), magic.size()) == 0,
           "{} is not a GGUF file (it does not begin with \"GGUF\"): name a GGUF model", name_);
  position_ = magic.size();
  const auto version = scalar<std::uint32_t>("the version");
  validate((version & 0xffffU) != 0, "{} is a big-endian GGUF file (little endian is read): convert the model again",
           name_);
  validate(version == 2 || version == 3, "{} is a GGUF file of version {} (2 and 3 are read): convert the model again",
           name_, version);
  return version;
}

GgufValueType Parser::value_type(std::string_view key) {
  const auto type = scalar<std::uint32_t>("the type of a metadata value");
  if (type >= value_types.size()) fail("metadata key {} has the unknown type {}", printable(key), type);
  return static_cast<GgufValueType>(type);
}

GgufValue Parser::read_value() {
  GgufValue value;
  value.key = string("a metadata key");
  if (value.key.empty()) fail("a metadata key is empty");
  value.type = value.element_type = value_type(value.key);
  const std::string what = fmt::format("the value of {}", printable(value.key));
  if (value.type == GgufValueType::string) {
    const auto text = string(what);
    value.bytes = std::as_bytes(std::span(text));
  } else if (value.type == GgufValueType::array) {
    read_array(value, what);
  } else {
    value.bytes = take(scalar_bytes(value.type), what);
  }
  if (value.element_type == GgufValueType::boolean &&
      std::ranges::any_of(value.bytes, [](std::byte byte) { return byte > std::byte{1}; }))
    fail("metadata key {} has a boolean that is neither 0 nor 1", printable(value.key));
  return value;
}

void Parser::read_array(GgufValue& value, std::string_view what) {
  value.element_type = value_type(value.key);
  value.count = scalar<std::uint64_t>(what);
  const std::size_t begin = position_;
  if (value.element_type == GgufValueType::array) fail("metadata key {} is an array of arrays", printable(value.key));
  if (value.element_type == GgufValueType::string) {
    for (std::uint64_t i = 0; i < value.count; ++i) string(what);
  } else {
    const std::size_t size = scalar_bytes(value.element_type);
    if (value.count > remaining() / size) fail("it ends inside {}, which claims {} elements", what, value.count);
    take(value.count * size, what);
  }
  value.bytes = bytes_.subspan(begin, position_ - begin);
}

GgufTensor Parser::read_tensor_info(std::uint64_t& offset) {
  GgufTensor tensor;
  tensor.name = string("a tensor's name");
  if (tensor.name.empty()) fail("a tensor has no name");
  const std::string what = fmt::format("the description of tensor {}", printable(tensor.name));
  const auto dimensions = scalar<std::uint32_t>(what);
  if (dimensions < 1 || dimensions > 4)
    fail("tensor {} has {} dimensions, not 1 to 4", printable(tensor.name), dimensions);
  for (std::uint32_t i = 0; i < dimensions; ++i) tensor.dims.push_back(scalar<std::int64_t>(what));
  const auto type = scalar<std::uint32_t>(what);
  const auto* known = find_ggml_type(type);
  if (known == nullptr) fail("tensor {} has the unknown type {}", printable(tensor.name), type);
  tensor.type = known->type;
  offset = scalar<std::uint64_t>(what);
  return tensor;
}

/// The bytes a tensor takes, after a check that its extents are possible and its rows whole blocks.
std::uint64_t Parser::checked_bytes(const GgufTensor& tensor) const {
  std::int64_t elements = 1;
  for (const std::int64_t extent : tensor.dims)
    if (extent < 1 || __builtin_mul_overflow(elements, extent, &elements))
      fail("tensor {} has the impossible shape [{}]", printable(tensor.name), fmt::join(tensor.dims, ", "));
  const auto& [type, type_name, block_length, block_bytes] = info(tensor.type);
  if (tensor.dims[0] % block_length != 0)
    fail("tensor {} has rows of {} values, no multiple of {}'s block of {}", printable(tensor.name), tensor.dims[0],
         type_name, block_length);
  std::int64_t bytes = 0;
  if (__builtin_mul_overflow(elements / block_length, block_bytes, &bytes))
    fail("tensor {} has the impossible shape [{}]", printable(tensor.name), fmt::join(tensor.dims, ", "));
  return static_cast<std::uint64_t>(bytes);
}

std::uint64_t Parser::alignment_of(const std::vector<GgufValue>& metadata) const {
  const auto found = std::ranges::find(metadata, "general.alignment", &GgufValue::key);
  if (found == metadata.end()) return 32;
  if (found->type != GgufValueType::uint32)
    fail("general.alignment is of type {}, not uint32", pipespec::io::name(found->type));
  std::uint32_t alignment = 0;
  std::memcpy(&alignment, found->bytes.data(), sizeof(alignment));
  if (!std::has_single_bit(alignment)) fail("general.alignment is {}, not a power of two", alignment);
  return alignment;
}

void Parser::place_tensors(GgufContents& contents, const std::vector<std::uint64_t>& offsets) {
  const std::uint64_t mask = contents.alignment - 1;
  const std::uint64_t data_begin = (position_ + mask) & ~mask;
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    GgufTensor& tensor = contents.tensors[i];
    const std::uint64_t bytes = checked_bytes(tensor);
    if ((offsets[i] & mask) != 0)
      fail("tensor {} lies at offset {}, no multiple of the alignment {}", printable(tensor.name), offsets[i],
           contents.alignment);
    const std::uint64_t room = bytes_.size() > data_begin ? bytes_.size() - data_begin : 0;
    if (offsets[i] > room || bytes > room - offsets[i])
      fail("tensor {} reaches beyond the end of the file, {} bytes at offset {} of {}", printable(tensor.name), bytes,
           offsets[i], room);
    tensor.bytes = bytes_.subspan(data_begin + offsets[i], bytes);
  }
}

void Parser::check_overlaps(const std::vector<GgufTensor>& tensors) const {
  std::vector<const GgufTensor*> by_place;
  for (const GgufTensor& tensor : tensors) by_place.push_back(&tensor);
  std::ranges::sort(by_place, {}, [](const GgufTensor* tensor) { return tensor->bytes.data(); });
  for (std::size_t i = 1; i < by_place.size(); ++i)
    if (by_place[i]->bytes.data() < by_place[i - 1]->bytes.data() + by_place[i - 1]->bytes.size())
      fail("tensors {} and {} overlap", printable(by_place[i - 1]->name), printable(by_place[i]->name));
}

GgufContents Parser::parse() {
  GgufContents contents;
  contents.version = read_header();
  const auto tensor_count = scalar<std::uint64_t>("the number of tensors");
  const auto value_count = scalar<std::uint64_t>("the number of metadata values");
  if (value_count > remaining() / min_value_bytes || tensor_count > remaining() / min_tensor_bytes)
    fail("it claims {} metadata values and {} tensors in {} bytes", value_count, tensor_count, bytes_.size());

  std::unordered_set<std::string_view> keys;
  for (std::uint64_t i = 0; i < value_count; ++i) {
    contents.metadata.push_back(read_value());
    if (!keys.insert(contents.metadata.back().key).second)
      fail("metadata key {} occurs twice", printable(contents.metadata.back().key));
  }
  contents.alignment = alignment_of(contents.metadata);

  std::unordered_set<std::string_view> names;
  std::vector<std::uint64_t> offsets(tensor_count);
  for (std::uint64_t i = 0; i < tensor_count; ++i) {
    contents.tensors.push_back(read_tensor_info(offsets[i]));
    if (!names.insert(contents.tensors.back().name).second)
      fail("tensor {} occurs twice", printable(contents.tensors.back().name));
  }
  place_tensors(contents, offsets);
  check_overlaps(contents.tensors);
  return contents;
}

}  // namespace

std::string_view name(GgufValueType type) {
  return value_types[static_cast<std::size_t>(type)].name;
}

std::int64_t GgufTensor::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t extent : dims) product *= extent;
  return product;
}

std::int64_t GgufTensor::row_bytes() const {
  return dims[0] / info(type).block_length * info(type).block_bytes;
}

GgufContents parse_gguf(std::span<const std::byte> bytes, const std::string& name) {
  return Parser(bytes, name).parse();
}

}  // namespace pipespec::io
