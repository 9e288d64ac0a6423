#include "io/mapped_file.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstring>
#include <utility>

#include "core/error.hpp"
#include "support/scratch_directory.hpp"

namespace pipespec::io {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, ShowsTheBytesOfTheFile) {
  const testing::ScratchDirectory scratch;
  const MappedFile file(scratch.write("a.txt", "content"));
  EXPECT_EQ(text_of(file), "content");
  EXPECT_EQ(file.path(), scratch.path() / "a.txt");
}

TEST(MappedFile, MovesItsMapping) {
  const testing::ScratchDirectory scratch;
  MappedFile first(scratch.write("a.txt", "first"));
  MappedFile second(scratch.write("b.txt", "second"));
  MappedFile taken(std::move(first));
  EXPECT_EQ(text_of(taken), "first");
  taken = std::move(second);
  EXPECT_EQ(text_of(taken), "second");
}

TEST(MappedFile, RefusesAMissingFileByName) {
  EXPECT_THAT([] { MappedFile("no/such/file.gguf"); },
              ThrowsMessage<UserError>(HasSubstr("no/such/file.gguf cannot be read (No such file or directory)")));
}

TEST(MappedFile, RefusesADirectory) {
  const testing::ScratchDirectory scratch;
  EXPECT_THAT([&] { MappedFile{scratch.path()}; }, ThrowsMessage<UserError>(HasSubstr("it is a directory")));
}

TEST(MappedFile, RefusesAnEmptyFile) {
  const testing::ScratchDirectory scratch;
  const auto path = scratch.write("empty", "");
  EXPECT_THAT([&] { MappedFile{path}; }, ThrowsMessage<UserError>(HasSubstr("it is empty")));
}

TEST(MappedFile, RefusesAPipeInsteadOfWaitingForIt) {
  const testing::ScratchDirectory scratch;
  const auto path = scratch.path() / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_THAT([&] { MappedFile{path}; }, ThrowsMessage<UserError>(HasSubstr("not a regular file")));
}

}  // namespace
}  // namespace pipespec::io
