#include "io/hdf5.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

#include "core/error.hpp"

namespace pipespec::io::hdf5 {
namespace {

constexpr hsize_t chunk_bytes = hsize_t{1} << 18;  // large enough to compress well, small enough to read a part
constexpr unsigned deflate_level = 4;

template <Number T>
hid_t memory_type() {
  if constexpr (std::same_as<T, std::uint8_t>) return H5T_NATIVE_UINT8;
  if constexpr (std::same_as<T, std::int32_t>) return H5T_NATIVE_INT32;
  if constexpr (std::same_as<T, std::int64_t>) return H5T_NATIVE_INT64;
  if constexpr (std::same_as<T, float>) return H5T_NATIVE_FLOAT;
  if constexpr (std::same_as<T, double>) return H5T_NATIVE_DOUBLE;
}

/// How files and groups are made. The oldest superblock, because the newer ones hold a mark of open files that
/// H5Fget_file_image erases without mending their checksum; but with attributes in the order of their making, because
/// the object headers that know it have room for attributes of more than 64 KiB. Without time stamps, so that equal
/// content gives equal bytes.
Properties with_ordered_attributes(hid_t kind) {
  Properties creation(PIPESPEC_HDF5(H5Pcreate(kind)));
  PIPESPEC_HDF5(H5Pset_obj_track_times(creation.get(), false));
  PIPESPEC_HDF5(H5Pset_attr_creation_order(creation.get(), H5P_CRT_ORDER_TRACKED));
  return creation;
}

Dataspace simple_space(std::span<const hsize_t> extents) {
  return Dataspace(PIPESPEC_HDF5(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr)));
}

/// Creation properties of a dataset: chunked, shuffled, deflated; plain where there is nothing to store, and without a
/// time stamp.
Properties compressed(std::span<const hsize_t> extents, std::size_t value_bytes) {
  Properties properties(PIPESPEC_HDF5(H5Pcreate(H5P_DATASET_CREATE)));
  PIPESPEC_HDF5(H5Pset_obj_track_times(properties.get(), false));
  if (std::ranges::find(extents, hsize_t{0}) != extents.end()) return properties;
  std::vector<hsize_t> chunk(extents.begin(), extents.end());
  const hsize_t row_bytes = std::accumulate(chunk.begin() + 1, chunk.end(), hsize_t{value_bytes}, std::multiplies<>());
  chunk[0] = std::clamp<hsize_t>(chunk_bytes / row_bytes, 1, chunk[0]);
  PIPESPEC_HDF5(H5Pset_chunk(properties.get(), static_cast<int>(chunk.size()), chunk.data()));
  PIPESPEC_HDF5(H5Pset_shuffle(properties.get()));
  PIPESPEC_HDF5(H5Pset_deflate(properties.get(), deflate_level));
  return properties;
}

void write_dataset(hid_t parent, const std::string& name, hid_t type, std::span<const hsize_t> extents,
                   const void* values) {
  const Dataspace space = simple_space(extents);
  const Properties creation = compressed(extents, PIPESPEC_HDF5(static_cast<std::int64_t>(H5Tget_size(type))));
  const Dataset dataset(
      PIPESPEC_HDF5(H5Dcreate2(parent, name.c_str(), type, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT)));
  if (H5Sget_simple_extent_npoints(space.get()) > 0)
    PIPESPEC_HDF5(H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values));
}

Dataset open_column(hid_t parent, const std::string& name) {
  return Dataset(PIPESPEC_HDF5(H5Dopen2(parent, name.c_str(), H5P_DEFAULT)));
}

/// Number of values of a dataset or attribute of at most one extent.
std::size_t length_of(const Dataspace& space, const std::string& name) {
  if (PIPESPEC_HDF5(H5Sget_simple_extent_ndims(space.get())) > 1)
    throw Failure(fmt::format("HDF5: '{}' has more than one extent (a column is expected)", name));
  return static_cast<std::size_t>(PIPESPEC_HDF5(H5Sget_simple_extent_npoints(space.get())));
}

std::size_t length_of(const Dataset& dataset, const std::string& name) {
  return length_of(Dataspace(PIPESPEC_HDF5(H5Dget_space(dataset.get()))), name);
}

/// A UTF-8 string of `size` bytes, padded with NUL, or of any length (H5T_VARIABLE).
Datatype string_type(std::size_t size) {
  Datatype type(PIPESPEC_HDF5(H5Tcopy(H5T_C_S1)));
  PIPESPEC_HDF5(H5Tset_size(type.get(), size));
  PIPESPEC_HDF5(H5Tset_cset(type.get(), H5T_CSET_UTF8));
  if (size != H5T_VARIABLE) PIPESPEC_HDF5(H5Tset_strpad(type.get(), H5T_STR_NULLPAD));
  return type;
}

void write_attribute(hid_t object, const std::string& name, hid_t type, const Dataspace& space, const void* values) {
  const Attribute attribute(
      PIPESPEC_HDF5(H5Acreate2(object, name.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT)));
  if (H5Sget_simple_extent_npoints(space.get()) > 0) PIPESPEC_HDF5(H5Awrite(attribute.get(), type, values));
}

Attribute open_attribute(hid_t object, const std::string& name) {
  return Attribute(PIPESPEC_HDF5(H5Aopen(object, name.c_str(), H5P_DEFAULT)));
}

template <Number T>
std::vector<T> read_attribute(hid_t object, const std::string& name) {
  const Attribute attribute = open_attribute(object, name);
  std::vector<T> values(length_of(Dataspace(PIPESPEC_HDF5(H5Aget_space(attribute.get()))), name));
  if (!values.empty()) PIPESPEC_HDF5(H5Aread(attribute.get(), memory_type<T>(), values.data()));
  return values;
}

/// The innermost entry of the error stack is the reason, "No space left on device", say.
herr_t innermost(unsigned, const H5E_error2_t* entry, void* reason) {
  if (entry->desc) *static_cast<std::string*>(reason) = entry->desc;
  return 0;
}

}  // namespace

void keep_quiet() {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

void fail(std::string_view expression, std::string_view file, int line) {
  std::string reason = "no reason given";
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, innermost, &reason);
  H5Eclear2(H5E_DEFAULT);
  std::ranges::replace(reason, '\n', ' ');
  throw Failure(fmt::format("HDF5: {} ({} at {}:{})", reason, expression, file.substr(file.rfind('/') + 1), line));
}

File create_file(const std::filesystem::path& path) {
  keep_quiet();
  const Properties creation = with_ordered_attributes(H5P_FILE_CREATE);
  return File(PIPESPEC_HDF5(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), H5P_DEFAULT)));
}

File create_in_memory() {
  keep_quiet();
  constexpr std::size_t growth = std::size_t{1} << 20;
  const Properties creation = with_ordered_attributes(H5P_FILE_CREATE);
  const Properties access(PIPESPEC_HDF5(H5Pcreate(H5P_FILE_ACCESS)));
  PIPESPEC_HDF5(H5Pset_fapl_core(access.get(), growth, /*backing_store=*/0));
  return File(PIPESPEC_HDF5(H5Fcreate("in memory", H5F_ACC_TRUNC, creation.get(), access.get())));
}

std::vector<std::uint8_t> image(const File& file) {
  PIPESPEC_HDF5(H5Fflush(file.get(), H5F_SCOPE_LOCAL));
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(PIPESPEC_HDF5(H5Fget_file_image(file.get(), nullptr, 0))));
  PIPESPEC_HDF5(H5Fget_file_image(file.get(), bytes.data(), bytes.size()));
  return bytes;
}

File open_file(const std::filesystem::path& path) {
  keep_quiet();
  return File(PIPESPEC_HDF5(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT)));
}

Group create_group(hid_t parent, const std::string& name) {
  const Properties creation = with_ordered_attributes(H5P_GROUP_CREATE);
  return Group(PIPESPEC_HDF5(H5Gcreate2(parent, name.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT)));
}

Group open_group(hid_t parent, const std::string& name) {
  return Group(PIPESPEC_HDF5(H5Gopen2(parent, name.c_str(), H5P_DEFAULT)));
}

bool has_link(hid_t parent, const std::string& name) {
  return PIPESPEC_HDF5(H5Lexists(parent, name.c_str(), H5P_DEFAULT)) > 0;
}

template <Number T>
void write_array(hid_t parent, const std::string& name, std::span<const T> values, std::span<const hsize_t> extents) {
  const hsize_t count = std::accumulate(extents.begin(), extents.end(), hsize_t{1}, std::multiplies<>());
  expect(!extents.empty() && count == values.size(), "the extents of an array hold its values");
  write_dataset(parent, name, memory_type<T>(), extents, values.data());
}

template <Number T>
std::vector<T> read_column(hid_t parent, const std::string& name) {
  const Dataset dataset = open_column(parent, name);
  std::vector<T> values(length_of(dataset, name));
  if (!values.empty())
    PIPESPEC_HDF5(H5Dread(dataset.get(), memory_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
  return values;
}

template <Number T>
Ragged<T> read_ragged(hid_t parent, const std::string& name) {
  const Group group = open_group(parent, name);
  Ragged<T> column{read_column<T>(group.get(), "values"), read_column<std::int64_t>(group.get(), "offsets")};
  const auto& offsets = column.offsets;
  if (offsets.empty() || offsets.front() != 0 || !std::ranges::is_sorted(offsets) ||
      static_cast<std::size_t>(offsets.back()) != column.values.size())
    throw Failure(fmt::format("HDF5: the offsets of '{}' do not divide its values", name));
  return column;
}

void write_enumeration(hid_t parent, const std::string& name, std::span<const std::uint8_t> values,
                       std::span<const std::string_view> names) {
  const Datatype type(PIPESPEC_HDF5(H5Tenum_create(H5T_NATIVE_UINT8)));
  for (std::uint8_t value = 0; value < names.size(); ++value)
    PIPESPEC_HDF5(H5Tenum_insert(type.get(), std::string(names[value]).c_str(), &value));
  const hsize_t extent = values.size();
  write_dataset(parent, name, type.get(), std::span(&extent, 1), values.data());
}

std::vector<std::uint8_t> read_enumeration(hid_t parent, const std::string& name, std::size_t count) {
  const Dataset dataset = open_column(parent, name);
  const Datatype type(PIPESPEC_HDF5(H5Dget_type(dataset.get())));
  std::vector<std::uint8_t> values(length_of(dataset, name));
  if (PIPESPEC_HDF5(static_cast<std::int64_t>(H5Tget_size(type.get()))) != 1)
    throw Failure(fmt::format("HDF5: '{}' is not an enumeration of bytes", name));
  if (!values.empty()) PIPESPEC_HDF5(H5Dread(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
  if (std::ranges::any_of(values, [&](std::uint8_t value) { return value >= count; }))
    throw Failure(fmt::format("HDF5: '{}' holds a value that has no name", name));
  return values;
}

void write_strings(hid_t parent, const std::string& name, std::span<const std::string> strings) {
  std::size_t width = 1;
  for (const std::string& string : strings) width = std::max(width, string.size());
  std::vector<char> padded(width * strings.size(), '\0');
  for (std::size_t i = 0; i < strings.size(); ++i) std::ranges::copy(strings[i], padded.data() + i * width);
  const Datatype type = string_type(width);
  const hsize_t extent = strings.size();
  write_dataset(parent, name, type.get(), std::span(&extent, 1), padded.data());
}

std::vector<std::string> read_strings(hid_t parent, const std::string& name) {
  const Dataset dataset = open_column(parent, name);
  const Datatype type(PIPESPEC_HDF5(H5Dget_type(dataset.get())));
  if (H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) != 0)
    throw Failure(fmt::format("HDF5: '{}' does not hold strings of a fixed length", name));
  const std::size_t width = H5Tget_size(type.get());
  const std::size_t rows = length_of(dataset, name);
  std::vector<char> padded(width * rows);
  if (rows > 0) PIPESPEC_HDF5(H5Dread(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, padded.data()));
  std::vector<std::string> strings;
  for (std::size_t i = 0; i < rows; ++i) {
    std::string_view string(padded.data() + i * width, width);
    string = string.substr(0, string.find_last_not_of('\0') + 1);
    strings.emplace_back(string);
  }
  return strings;
}

void write_attribute(hid_t object, const std::string& name, const std::string& text) {
  const Dataspace space(PIPESPEC_HDF5(H5Screate(H5S_SCALAR)));
  const char* value = text.c_str();
  write_attribute(object, name, string_type(H5T_VARIABLE).get(), space, &value);
}

void write_attribute(hid_t object, const std::string& name, std::uint64_t number) {
  const Dataspace space(PIPESPEC_HDF5(H5Screate(H5S_SCALAR)));
  write_attribute(object, name, H5T_NATIVE_UINT64, space, &number);
}

void write_attribute(hid_t object, const std::string& name, std::span<const std::int64_t> numbers) {
  const hsize_t extent = numbers.size();
  write_attribute(object, name, H5T_NATIVE_INT64, simple_space(std::span(&extent, 1)), numbers.data());
}

void write_attribute(hid_t object, const std::string& name, std::span<const double> numbers) {
  const hsize_t extent = numbers.size();
  write_attribute(object, name, H5T_NATIVE_DOUBLE, simple_space(std::span(&extent, 1)), numbers.data());
}

void write_attribute(hid_t object, const std::string& name, std::span<const std::string> texts) {
  std::vector<const char*> pointers;
  for (const std::string& text : texts) pointers.push_back(text.c_str());
  const hsize_t extent = texts.size();
  write_attribute(object, name, string_type(H5T_VARIABLE).get(), simple_space(std::span(&extent, 1)), pointers.data());
}

bool has_attribute(hid_t object, const std::string& name) {
  return PIPESPEC_HDF5(H5Aexists(object, name.c_str())) > 0;
}

std::string read_text_attribute(hid_t object, const std::string& name) {
  const std::vector<std::string> texts = read_texts_attribute(object, name);
  if (texts.size() != 1) throw Failure(fmt::format("HDF5: attribute '{}' is not a single text", name));
  return texts[0];
}

std::vector<std::int64_t> read_integers_attribute(hid_t object, const std::string& name) {
  return read_attribute<std::int64_t>(object, name);
}

std::vector<double> read_numbers_attribute(hid_t object, const std::string& name) {
  return read_attribute<double>(object, name);
}

std::vector<std::string> read_texts_attribute(hid_t object, const std::string& name) {
  const Attribute attribute = open_attribute(object, name);
  const Dataspace space(PIPESPEC_HDF5(H5Aget_space(attribute.get())));
  const Datatype type = string_type(H5T_VARIABLE);
  std::vector<char*> pointers(length_of(space, name));
  if (pointers.empty()) return {};
  PIPESPEC_HDF5(H5Aread(attribute.get(), type.get(), pointers.data()));
  std::vector<std::string> texts;
  for (const char* text : pointers) texts.emplace_back(text ? text : "");
  H5Dvlen_reclaim(type.get(), space.get(), H5P_DEFAULT, pointers.data());
  return texts;
}

#define PIPESPEC_HDF5_INSTANTIATE(T)                                                                     \
  template void write_array<T>(hid_t, const std::string&, std::span<const T>, std::span<const hsize_t>); \
  template std::vector<T> read_column<T>(hid_t, const std::string&);                                     \
  template Ragged<T> read_ragged<T>(hid_t, const std::string&)
PIPESPEC_HDF5_INSTANTIATE(std::uint8_t);
PIPESPEC_HDF5_INSTANTIATE(std::int32_t);
PIPESPEC_HDF5_INSTANTIATE(std::int64_t);
PIPESPEC_HDF5_INSTANTIATE(float);
PIPESPEC_HDF5_INSTANTIATE(double);
#undef PIPESPEC_HDF5_INSTANTIATE

}  // namespace pipespec::io::hdf5
