#include "io/json_lines.hpp"

#include <gmock/gmock.h>
#include <zlib.h>

#include "core/error.hpp"
#include "support/scratch_directory.hpp"

namespace pipespec::io {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::ThrowsMessage;

std::filesystem::path write_gzip(const testing::ScratchDirectory& scratch, const std::string& content) {
  const auto path = scratch.path() / "lines.jsonl.gz";
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, content.data(), static_cast<unsigned>(content.size()));
  gzclose(file);
  return path;
}

std::vector<std::string> values(JsonLines lines) {
  std::vector<std::string> found;
  while (const auto line = lines.next()) found.push_back(line->value.dump());
  return found;
}

TEST(JsonLines, ReadsOneValueALine) {
  const testing::ScratchDirectory scratch;
  EXPECT_THAT(values(JsonLines(scratch.write("a.jsonl", "{\"a\":1}\n[2]\n\"x\"\n"))),
              ElementsAre("{\"a\":1}", "[2]", "\"x\""));
}

TEST(JsonLines, TheLastLineNeedsNoLineEnd) {
  const testing::ScratchDirectory scratch;
  EXPECT_THAT(values(JsonLines(scratch.write("a.jsonl", "1\n2"))), ElementsAre("1", "2"));
}

TEST(JsonLines, BlankLinesAreSkippedAndCounted) {
  const testing::ScratchDirectory scratch;
  const auto path = scratch.write("a.jsonl", "\n  \r\n1\r\n\n2\n\n");
  JsonLines lines(path);
  EXPECT_EQ(lines.next()->where, path.string() + ":3");
  EXPECT_EQ(lines.next()->where, path.string() + ":5");
  EXPECT_FALSE(lines.next().has_value());
}

TEST(JsonLines, AnEmptyFileHasNoLines) {
  const testing::ScratchDirectory scratch;
  EXPECT_THAT(values(JsonLines(scratch.write("a.jsonl", ""))), ElementsAre());
}

TEST(JsonLines, ReadsCompressedFilesByTheirContent) {
  const testing::ScratchDirectory scratch;
  EXPECT_THAT(values(JsonLines(write_gzip(scratch, "1\n2\n"))), ElementsAre("1", "2"));
}

TEST(JsonLines, ReadsLinesLongerThanItsBuffer) {
  const testing::ScratchDirectory scratch;
  const std::string text(300'000, 'x');
  JsonLines lines(write_gzip(scratch, "\"" + text + "\"\n\"" + text + "y\"\n7\n"));
  EXPECT_EQ(lines.next()->value.get<std::string>(), text);
  EXPECT_EQ(lines.next()->value.get<std::string>(), text + "y");
  EXPECT_EQ(lines.next()->value.get<int>(), 7);
}

TEST(JsonLines, NamesTheLineThatIsNotJson) {
  const testing::ScratchDirectory scratch;
  JsonLines lines(scratch.write("a.jsonl", "1\n{\"a\": }\n"));
  lines.next();
  EXPECT_THAT([&] { lines.next(); },
              ThrowsMessage<UserError>(AllOf(HasSubstr("a.jsonl:2 is not JSON (column 7: "), Not(HasSubstr("\n")))));
}

TEST(JsonLines, RefusesTextThatIsNotUtf8) {
  const testing::ScratchDirectory scratch;
  JsonLines lines(scratch.write("a.jsonl", "\"\xff\"\n"));
  EXPECT_THAT([&] { lines.next(); }, ThrowsMessage<UserError>(HasSubstr("ill-formed UTF-8")));
}

TEST(JsonLines, DeepNestingDoesNotExhaustTheStack) {
  const testing::ScratchDirectory scratch;
  JsonLines lines(scratch.write("a.jsonl", std::string(2'000'000, '[') + "\n"));
  EXPECT_THROW(lines.next(), UserError);
}

TEST(JsonLines, RefusesACompressedFileThatWasCutOff) {
  const testing::ScratchDirectory scratch;
  std::string content;
  for (int i = 0; i < 20'000; ++i) content += std::to_string(i * 7919) + "\n";
  const auto path = write_gzip(scratch, content);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  EXPECT_THAT([&] { values(JsonLines(path)); }, ThrowsMessage<UserError>(HasSubstr("lines.jsonl.gz cannot be read")));
}

TEST(JsonLines, RefusesALineWithoutEnd) {
  const testing::ScratchDirectory scratch;
  JsonLines lines(write_gzip(scratch, std::string(80 << 20, ' ')));
  EXPECT_THAT([&] { lines.next(); }, ThrowsMessage<UserError>(HasSubstr(":1 is longer than 64 MiB")));
}

TEST(JsonLines, RefusesAMissingFileAndADirectory) {
  const testing::ScratchDirectory scratch;
  EXPECT_THAT([] { JsonLines("no/such.jsonl"); }, ThrowsMessage<UserError>(HasSubstr("no/such.jsonl cannot be read")));
  EXPECT_THAT([&] { JsonLines{scratch.path()}; }, ThrowsMessage<UserError>(HasSubstr("it is a directory")));
}

}  // namespace
}  // namespace pipespec::io
