/// Models that gguf-split cut into several files.
#include "io/gguf_split.hpp"

#include <gmock/gmock.h>

#include <array>
#include <string>

#include "core/error.hpp"
#include "io/file_hash.hpp"
#include "io/gguf.hpp"
#include "support/gguf_writer.hpp"
#include "support/scratch_directory.hpp"

namespace pipespec::io {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::GgufWriter;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(GgufParts, AreFoundByTheNameOfAnyOfThem) {
  const std::vector<std::filesystem::path> all{"dir/a-b-00001-of-00003.gguf", "dir/a-b-00002-of-00003.gguf",
                                               "dir/a-b-00003-of-00003.gguf"};
  EXPECT_EQ(gguf_parts("dir/a-b-00001-of-00003.gguf"), all);
  EXPECT_EQ(gguf_parts("dir/a-b-00003-of-00003.gguf"), all);
}

TEST(GgufParts, AnyOtherNameIsAloneAmongThem) {
  for (const char* name : {"model.gguf", "model-1-of-3.gguf", "model-00001-of-00003.bin", "model-00004-of-00003.gguf",
                           "model-00000-of-00003.gguf", "model-00001-of-00001.gguf"})
    EXPECT_THAT(gguf_parts(name), ElementsAre(name));
}

class GgufSplit : public ::testing::Test {
 protected:
  GgufSplit() {
    GgufWriter whole;
    whole.set("general.name", std::string("whole"));
    for (const char* name : {"a", "b", "c", "d", "e"}) {
      std::array<float, 32> values;
      values.fill(static_cast<float>(name[0]));
      whole.add_tensor({name, GgmlType::f32, {32}, testing::encode(GgmlType::f32, values)});
    }
    parts_ = whole.split(3);
  }

  std::filesystem::path write() { return GgufWriter::write_parts(parts_, scratch_.path() / "model.gguf"); }
  std::filesystem::path part(int number) const {
    return scratch_.path() / ("model-0000" + std::to_string(number) + "-of-00003.gguf");
  }

  /// Expects that opening `path` ends in a message with these parts.
  template <class... Parts>
  static void expect_refused(const std::filesystem::path& path, Parts... said) {
    EXPECT_THAT([&] { GgufFile file(path); }, ThrowsMessage<UserError>(AllOf(HasSubstr(said)...)));
  }

  testing::ScratchDirectory scratch_;
  std::vector<GgufWriter> parts_;
};

TEST_F(GgufSplit, TheFirstPartOpensAll) {
  const GgufFile file(write());
  EXPECT_EQ(file.parts(), 3);
  EXPECT_EQ(file.get<std::string_view>("general.name"), "whole");
  std::string names;
  for (const GgufTensor& tensor : file.tensors()) {
    names += tensor.name;
    EXPECT_EQ(&file.tensor(tensor.name), &tensor);
    float first;
    std::memcpy(&first, tensor.bytes.data(), sizeof first);
    EXPECT_EQ(first, static_cast<float>(tensor.name[0]));
  }
  EXPECT_EQ(names, "abcde");
  std::uintmax_t bytes = 0;
  for (int i = 1; i <= 3; ++i) bytes += std::filesystem::file_size(part(i));
  EXPECT_EQ(static_cast<std::uintmax_t>(file.file_bytes()), bytes);
}

TEST_F(GgufSplit, TheFirstPartMayHoldNoTensors) {
  parts_[0].remove_tensor("a");
  for (GgufWriter& part : parts_) part.set("split.tensors.count", std::int32_t{4});
  EXPECT_EQ(GgufFile(write()).tensors().size(), 4U);
}

TEST_F(GgufSplit, AMissingPartIsNamed) {
  const auto first = write();
  std::filesystem::remove(part(2));
  expect_refused(first, part(2).string(), "is missing (part 2 of 3 of the model " + first.string() + ")");
}

TEST_F(GgufSplit, ALaterPartSaysWhichToOpen) {
  write();
  expect_refused(part(2), part(2).string() + " is part 2 of 3", "open the first, " + part(1).string());
}

TEST_F(GgufSplit, PartsInEachOthersPlacesAreRefused) {
  std::swap(parts_[1], parts_[2]);
  const auto first = write();
  expect_refused(first, part(2).string() + " holds part 3 of 3", "its name says 2 of 3");
  std::swap(parts_[0], parts_[2]);
  write();
  expect_refused(first, first.string() + " is part 2 of 3");
}

TEST_F(GgufSplit, APartOfAnotherCountIsRefused) {
  parts_[2].set("split.count", std::uint32_t{4});
  expect_refused(write(), part(3).string() + " holds part 3 of 4", "its name says 3 of 3");
}

TEST_F(GgufSplit, ANameThatDoesNotSayTheCountIsRefused) {
  const auto renamed = scratch_.path() / "renamed.gguf";
  std::filesystem::copy(write(), renamed);
  expect_refused(renamed, "renamed.gguf is one of 1 files by its name and one of 3 by split.count");
  parts_[0].remove("split.count");
  expect_refused(write(), "is one of 3 files by its name and one of 1 by split.count");
}

TEST_F(GgufSplit, TensorsThatDoNotAddUpAreRefused) {
  parts_[2].remove_tensor("e");
  expect_refused(write(), part(1).string(), "hold 4 tensors (split.tensors.count is 5)");
}

TEST_F(GgufSplit, ATensorInTwoPartsIsRefused) {
  parts_[2].add_tensor(parts_[0].tensor("a"));
  expect_refused(write(), "tensor a of " + part(3).string() + " is in an earlier part, too");
}

TEST_F(GgufSplit, APartThatIsCutOffIsNamed) {
  const auto first = write();
  std::filesystem::resize_file(part(3), std::filesystem::file_size(part(3)) / 2);
  expect_refused(first, part(3).string() + " is not a valid GGUF file");
}

TEST_F(GgufSplit, TheHashIsThatOfAllParts) {
  const auto first = write();
  const std::string all = sha256_of(first);
  EXPECT_EQ(sha256_of(part(2)), all);
  EXPECT_EQ(sha256_of(scratch_.path()), all) << "the folder holds nothing else";
  parts_[2].set("general.name", std::string("other"));
  write();
  EXPECT_NE(sha256_of(first), all);
}

}  // namespace
}  // namespace pipespec::io
