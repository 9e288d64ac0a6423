/// HDF5 (1.10, serial) behind move-only handles and checked calls, and the few shapes of data the project stores:
/// numeric arrays, ragged columns, enumerations, strings and attributes.
///
/// Errors: Failure, one line with HDF5's own innermost reason, the failed call and its place. HDF5 prints nothing
/// itself. Not thread-safe (the library is not): one thread at a time in the whole process.
#pragma once

#include <hdf5.h>

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pipespec::io::hdf5 {

/// Turns HDF5's error printing off. Called by every function here that opens or makes a file.
void keep_quiet();

/// Throws Failure with the top of HDF5's error stack.
[[noreturn]] void fail(std::string_view expression, std::string_view file, int line);

/// An HDF5 result: negative means failure.
template <std::signed_integral T>
T checked(T result, std::string_view expression, std::string_view file, int line) {
  if (result < 0) fail(expression, file, line);
  return result;
}

/// Calls an HDF5 function and returns what it returns, or throws Failure.
#define PIPESPEC_HDF5(call) ::pipespec::io::hdf5::checked((call), #call, __FILE__, __LINE__)

/// Owns one HDF5 identifier. Move-only.
template <herr_t (*close)(hid_t)>
class Handle {
 public:
  explicit Handle(hid_t id) : id_(id) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0) close(id_);
  }
  hid_t get() const { return id_; }

 private:
  hid_t id_;
};

using File = Handle<H5Fclose>;
using Group = Handle<H5Gclose>;
using Dataset = Handle<H5Dclose>;
using Dataspace = Handle<H5Sclose>;
using Datatype = Handle<H5Tclose>;
using Attribute = Handle<H5Aclose>;
using Properties = Handle<H5Pclose>;

/// A new file on the disk; an old one of that name is overwritten.
File create_file(const std::filesystem::path& path);

/// A new file in memory alone; `image` gives its bytes. So a full disk is met by our own write, never inside HDF5.
File create_in_memory();
std::vector<std::uint8_t> image(const File& file);

/// An existing file, for reading.
File open_file(const std::filesystem::path& path);

Group create_group(hid_t parent, const std::string& name);
Group open_group(hid_t parent, const std::string& name);
bool has_link(hid_t parent, const std::string& name);

template <class T>
concept Number = std::same_as<T, std::uint8_t> || std::same_as<T, std::int32_t> || std::same_as<T, std::int64_t> ||
    std::same_as<T, float> || std::same_as<T, double>;

/// A dense array of any rank, chunked along its first extent, shuffled and deflated. The product of `extents` is the
/// number of values.
template <Number T>
void write_array(hid_t parent, const std::string& name, std::span<const T> values, std::span<const hsize_t> extents);

/// A dense column: an array of one extent.
template <Number T>
void write_column(hid_t parent, const std::string& name, std::span<const T> values) {
  const hsize_t extent = values.size();
  write_array<T>(parent, name, values, std::span(&extent, 1));
}

/// The values of a one-dimensional dataset, converted to T.
template <Number T>
std::vector<T> read_column(hid_t parent, const std::string& name);

/// A column of lists: `values` of all rows one after the other, row i at [offsets[i], offsets[i+1]).
template <Number T>
struct Ragged {
  std::vector<T> values;
  std::vector<std::int64_t> offsets{0};  ///< [rows + 1]

  std::size_t rows() const { return offsets.size() - 1; }
  std::span<const T> row(std::size_t i) const {
    return std::span(values).subspan(static_cast<std::size_t>(offsets[i]),
                                     static_cast<std::size_t>(offsets[i + 1] - offsets[i]));
  }
  void add(std::span<const T> row) {
    values.insert(values.end(), row.begin(), row.end());
    offsets.push_back(static_cast<std::int64_t>(values.size()));
  }
};

/// The group `name` with the columns `values` and `offsets`.
template <Number T>
void write_ragged(hid_t parent, const std::string& name, const Ragged<T>& column) {
  const Group group = create_group(parent, name);
  write_column<T>(group.get(), "values", column.values);
  write_column<std::int64_t>(group.get(), "offsets", column.offsets);
}

/// Throws Failure if the offsets do not divide the values.
template <Number T>
Ragged<T> read_ragged(hid_t parent, const std::string& name);

/// A column of an enumeration whose values are 0, 1, …; the names are stored with the type.
void write_enumeration(hid_t parent, const std::string& name, std::span<const std::uint8_t> values,
                       std::span<const std::string_view> names);

/// Values of write_enumeration. Throws Failure if one is not below `count`.
std::vector<std::uint8_t> read_enumeration(hid_t parent, const std::string& name, std::size_t count);

/// A column of short strings, as fixed-length UTF-8, padded with NUL.
void write_strings(hid_t parent, const std::string& name, std::span<const std::string> strings);
std::vector<std::string> read_strings(hid_t parent, const std::string& name);

void write_attribute(hid_t object, const std::string& name, const std::string& text);
void write_attribute(hid_t object, const std::string& name, std::uint64_t number);
void write_attribute(hid_t object, const std::string& name, std::span<const std::int64_t> numbers);
void write_attribute(hid_t object, const std::string& name, std::span<const double> numbers);
void write_attribute(hid_t object, const std::string& name, std::span<const std::string> texts);

bool has_attribute(hid_t object, const std::string& name);
std::string read_text_attribute(hid_t object, const std::string& name);
std::vector<std::int64_t> read_integers_attribute(hid_t object, const std::string& name);
std::vector<double> read_numbers_attribute(hid_t object, const std::string& name);
std::vector<std::string> read_texts_attribute(hid_t object, const std::string& name);

}  // namespace pipespec::io::hdf5
