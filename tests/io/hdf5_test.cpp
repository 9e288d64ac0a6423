// HDF5 helpers: what is written comes back, and what HDF5 refuses is one line.
#include "io/hdf5.hpp"

#include <gmock/gmock.h>

#include <array>
#include <functional>

#include "core/error.hpp"
#include "support/scratch_directory.hpp"

namespace pipespec::io::hdf5 {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Hdf5 : public ::testing::Test {
 protected:
  pipespec::testing::ScratchDirectory scratch_;
  std::filesystem::path path_ = scratch_.path() / "file.h5";
};

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Failure& failure) {
    return failure.what();
  }
  return "no failure";
}

TEST_F(Hdf5, columns_of_every_type_come_back) {
  const std::vector<std::uint8_t> bytes = {0, 255};
  const std::vector<std::int32_t> integers = {-1, 1 << 30};
  const std::vector<std::int64_t> longs = {-1, std::int64_t{1} << 60};
  const std::vector<float> floats = {0.1F, -0.0F};
  const std::vector<double> doubles = {0.1, 1e300};
  {
    const File file = create_file(path_);
    write_column<std::uint8_t>(file.get(), "bytes", bytes);
    write_column<std::int32_t>(file.get(), "integers", integers);
    write_column<std::int64_t>(file.get(), "longs", longs);
    write_column<float>(file.get(), "floats", floats);
    write_column<double>(file.get(), "doubles", doubles);
  }
  const File file = open_file(path_);
  EXPECT_EQ(read_column<std::uint8_t>(file.get(), "bytes"), bytes);
  EXPECT_EQ(read_column<std::int32_t>(file.get(), "integers"), integers);
  EXPECT_EQ(read_column<std::int64_t>(file.get(), "longs"), longs);
  EXPECT_EQ(read_column<float>(file.get(), "floats"), floats);
  EXPECT_EQ(read_column<double>(file.get(), "doubles"), doubles);
}

TEST_F(Hdf5, a_matrix_keeps_its_extents) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const hsize_t extents[] = {2, 3};
  const File file = create_file(path_);
  write_array<float>(file.get(), "matrix", values, extents);
  const Dataset dataset(H5Dopen2(file.get(), "matrix", H5P_DEFAULT));
  const Dataspace space(H5Dget_space(dataset.get()));
  hsize_t found[2] = {};
  EXPECT_EQ(H5Sget_simple_extent_dims(space.get(), found, nullptr), 2);
  EXPECT_THAT(found, ElementsAre(2, 3));
  EXPECT_THAT(message_of([&] { read_column<float>(file.get(), "matrix"); }), HasSubstr("more than one extent"));
}

TEST_F(Hdf5, a_long_column_is_compressed_in_chunks) {
  const std::vector<double> zeros(1'000'000);
  { write_column<double>(create_file(path_).get(), "zeros", zeros); }
  EXPECT_LT(std::filesystem::file_size(path_), 100'000u);
  EXPECT_EQ(read_column<double>(open_file(path_).get(), "zeros"), zeros);
}

TEST_F(Hdf5, ragged_rows_come_back_empty_ones_too) {
  Ragged<std::int32_t> column;
  for (const std::vector<std::int32_t>& row : {std::vector<std::int32_t>{1, 2}, {}, {3}}) column.add(row);
  const File file = create_file(path_);
  write_ragged<std::int32_t>(file.get(), "ragged", column);
  const auto read = read_ragged<std::int32_t>(file.get(), "ragged");
  ASSERT_EQ(read.rows(), 3u);
  EXPECT_THAT(read.row(0), ElementsAre(1, 2));
  EXPECT_THAT(read.row(1), ElementsAre());
  EXPECT_THAT(read.row(2), ElementsAre(3));
}

TEST_F(Hdf5, offsets_that_do_not_divide_the_values_are_refused) {
  const File file = create_file(path_);
  int number = 0;
  for (const std::vector<std::int64_t>& offsets : {std::vector<std::int64_t>{}, {1, 2}, {0, 2, 1, 2}, {0, 3}, {0, 1}}) {
    const std::string name = std::to_string(number++);
    write_ragged<std::int32_t>(file.get(), name, {{7, 8}, offsets});
    EXPECT_THAT(message_of([&] { read_ragged<std::int32_t>(file.get(), name); }), HasSubstr("do not divide")) << name;
  }
}

TEST_F(Hdf5, strings_come_back_whatever_their_length) {
  const std::vector<std::string> strings = {"", "a", "naïve 文", "a longer string with\nlines"};
  const File file = create_file(path_);
  write_strings(file.get(), "strings", strings);
  write_strings(file.get(), "none", {});
  EXPECT_EQ(read_strings(file.get(), "strings"), strings);
  EXPECT_TRUE(read_strings(file.get(), "none").empty());
}

TEST_F(Hdf5, an_enumeration_comes_back_and_a_value_without_a_name_is_refused) {
  const std::vector<std::uint8_t> values = {2, 0, 1};
  constexpr std::string_view names[] = {"red", "green", "blue"};
  const File file = create_file(path_);
  write_enumeration(file.get(), "colour", values, names);
  EXPECT_EQ(read_enumeration(file.get(), "colour", 3), values);
  EXPECT_THAT(message_of([&] { read_enumeration(file.get(), "colour", 2); }), HasSubstr("no name"));
}

TEST_F(Hdf5, attributes_come_back_also_long_ones) {
  const std::vector<double> many(20'000, 0.5);  // more than 64 KiB
  const std::vector<std::string> texts(5'000, "node");
  const File file = create_file(path_);
  write_attribute(file.get(), "text", std::string("α\nβ"));
  write_attribute(file.get(), "number", std::uint64_t{18446744073709551615u});
  write_attribute(file.get(), "many", std::span(many));
  write_attribute(file.get(), "texts", std::span(texts));
  write_attribute(file.get(), "none", std::span<const std::string>());
  EXPECT_EQ(read_text_attribute(file.get(), "text"), "α\nβ");
  EXPECT_EQ(read_numbers_attribute(file.get(), "many"), many);
  EXPECT_EQ(read_texts_attribute(file.get(), "texts"), texts);
  EXPECT_TRUE(read_texts_attribute(file.get(), "none").empty());
  EXPECT_THAT(message_of([&] { read_text_attribute(file.get(), "texts"); }), HasSubstr("not a single text"));
}

TEST_F(Hdf5, a_file_made_in_memory_is_one_on_the_disk_when_written) {
  {
    const File file = create_in_memory();
    write_column<std::int32_t>(file.get(), "column", std::vector<std::int32_t>{4, 5});
    const std::vector<std::uint8_t> bytes = image(file);
    scratch_.write("file.h5", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  EXPECT_THAT(read_column<std::int32_t>(open_file(path_).get(), "column"), ElementsAre(4, 5));
}

TEST_F(Hdf5, nothing_holds_a_time_so_that_equal_content_gives_equal_bytes) {
  const File file = create_file(path_);
  const Group group = create_group(file.get(), "group");
  write_column<std::int32_t>(group.get(), "column", std::vector<std::int32_t>{1, 2});
  for (const char* name : {"/", "/group", "/group/column"}) {
    H5O_info_t info{};
    ASSERT_GE(H5Oget_info_by_name2(file.get(), name, &info, H5O_INFO_TIME, H5P_DEFAULT), 0) << name;
    EXPECT_THAT((std::array{info.atime, info.mtime, info.ctime, info.btime}), ::testing::Each(0)) << name;
  }
}

TEST_F(Hdf5, a_refusal_is_one_line_with_reason_call_and_place) {
  EXPECT_THAT(message_of([&] { open_file(path_); }),
              ::testing::MatchesRegex(
                  "HDF5: [^\n]*No such file or directory[^\n]* \\(H5Fopen\\([^\n]*\\) at hdf5.cpp:[0-9]+\\)"));
}

}  // namespace
}  // namespace pipespec::io::hdf5
