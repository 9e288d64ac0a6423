#include "io/gguf.hpp"

#include <gmock/gmock.h>

#include <functional>
#include <numeric>
#include <random>

#include "core/error.hpp"
#include "io/gguf_bytes.hpp"
#include "support/scratch_directory.hpp"

namespace pipespec::io {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::FieldWriter;
using testing::GgufParts;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using ::testing::ThrowsMessage;

GgufContents parse(const std::string& bytes) {
  return parse_gguf(std::as_bytes(std::span(bytes)), "model.gguf");
}

/// A file with the given parts, open.
class OpenFile {
 public:
  explicit OpenFile(const GgufParts& parts = {}) : file_(scratch_.write("model.gguf", parts.bytes())) {}
  const GgufFile* operator->() const { return &file_; }

 private:
  testing::ScratchDirectory scratch_;
  GgufFile file_;
};

TEST(Gguf, ReadsScalarsOfEveryType) {
  const OpenFile file;
  EXPECT_EQ(file->get<std::int64_t>("u8"), 200);
  EXPECT_EQ(file->get<std::int64_t>("i8"), -100);
  EXPECT_EQ(file->get<std::int64_t>("u16"), 60000);
  EXPECT_EQ(file->get<std::int64_t>("i16"), -30000);
  EXPECT_EQ(file->get<std::int64_t>("u32"), 4'000'000'000);
  EXPECT_EQ(file->get<std::int64_t>("i32"), -2'000'000'000);
  EXPECT_EQ(file->get<std::int64_t>("u64"), std::int64_t{1} << 40);
  EXPECT_EQ(file->get<std::int64_t>("i64"), -(std::int64_t{1} << 40));
  EXPECT_EQ(file->get<double>("f32"), 1.5);
  EXPECT_EQ(file->get<double>("f64"), 2.25);
  EXPECT_TRUE(file->get<bool>("yes"));
  EXPECT_EQ(file->get<std::string_view>("text"), "hello");
}

TEST(Gguf, ReadsArrays) {
  const OpenFile file;
  EXPECT_THAT(file->get<std::vector<std::int64_t>>("numbers"), ElementsAre(1, -2, 3));
  EXPECT_THAT(file->get<std::vector<double>>("floats"), ElementsAre(0.5, 4.0));
  EXPECT_THAT(file->get<std::vector<std::string_view>>("words"), ElementsAre("a", "", "long word"));
  EXPECT_THAT(file->get<std::vector<std::string_view>>("nothing"), IsEmpty());
}

TEST(Gguf, AMissingKeyIsNotFound) {
  const OpenFile file;
  EXPECT_FALSE(file->has("other"));
  EXPECT_FALSE(file->find<bool>("other").has_value());
  EXPECT_THAT([&] { file->get<bool>("other"); },
              ThrowsMessage<UserError>(HasSubstr("model.gguf has no metadata key other")));
}

TEST(Gguf, AValueOfAnotherTypeIsRefused) {
  const OpenFile file;
  EXPECT_THAT([&] { file->get<std::int64_t>("text"); },
              ThrowsMessage<UserError>(HasSubstr("text is of type string (a value that fits into integer is needed)")));
  EXPECT_THAT([&] { file->get<std::int64_t>("numbers"); }, ThrowsMessage<UserError>(HasSubstr("array of 3 int32")));
  EXPECT_THROW(file->get<std::int64_t>("f32"), UserError);
  EXPECT_THROW(file->get<double>("u8"), UserError);
  EXPECT_THROW(file->get<bool>("u8"), UserError);
  EXPECT_THROW(file->get<std::string_view>("words"), UserError);
  EXPECT_THROW(file->get<std::vector<std::string_view>>("numbers"), UserError);
  EXPECT_THROW(file->get<std::vector<std::int64_t>>("floats"), UserError);
}

TEST(Gguf, AnIntegerThatDoesNotFitIsRefused) {
  const OpenFile file;
  EXPECT_THROW(file->get<std::int64_t>("huge"), UserError);
}

TEST(Gguf, ReadsTheTensorTable) {
  const OpenFile file;
  ASSERT_EQ(file->tensors().size(), 2U);
  const GgufTensor& a = file->tensor("a.weight");
  EXPECT_EQ(a.type, GgmlType::q4_0);
  EXPECT_THAT(a.dims, ElementsAre(32, 2));
  EXPECT_EQ(a.elements(), 64);
  EXPECT_EQ(a.row_bytes(), 18);
  ASSERT_EQ(a.bytes.size(), 36U);
  EXPECT_EQ(a.bytes[35], std::byte{35});
  const GgufTensor& b = file->tensor("b.bias");
  ASSERT_EQ(b.bytes.size(), 12U);
  EXPECT_EQ(b.bytes[0], std::byte{64});
}

TEST(Gguf, AMissingTensorIsNamed) {
  const OpenFile file;
  EXPECT_EQ(file->find_tensor("c"), nullptr);
  EXPECT_THAT([&] { file->tensor("c"); }, ThrowsMessage<UserError>(HasSubstr("model.gguf has no tensor c ")));
}

TEST(Gguf, ReadsVersion2) {
  GgufParts parts;
  parts.version = 2;
  EXPECT_EQ(parse(parts.bytes()).version, 2U);
}

TEST(Gguf, HonoursTheAlignmentOfTheFile) {
  GgufParts parts;
  parts.values.push_back(FieldWriter().value("general.alignment", 4, std::uint32_t{128}).bytes);
  parts.alignment = 128;
  parts.tensors[1].offset = 128;
  parts.data_bytes = 140;
  const std::string bytes = parts.bytes();
  const GgufContents contents = parse(bytes);
  EXPECT_EQ(contents.tensors[1].bytes[0], std::byte{128});
}

TEST(Gguf, AFileCutAtAnyByteIsRefused) {
  const std::string whole = GgufParts{}.bytes();
  ASSERT_NO_THROW(parse(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);
    EXPECT_THAT([&] { parse(cut); },
                ThrowsMessage<UserError>(AllOf(StartsWith("model.gguf is not a "), Not(HasSubstr("\n")))))
        << "cut to " << size << " bytes";
  }
}

/// Reads every byte the contents point to, as a user of them would.
unsigned touch(const GgufContents& contents) {
  unsigned sum = 0;
  const auto add = [&](std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) sum += std::to_integer<unsigned>(byte);
  };
  for (const GgufValue& value : contents.metadata) add(value.bytes);
  for (const GgufTensor& tensor : contents.tensors) add(tensor.bytes);
  return sum;
}

TEST(Gguf, DamagedBytesAreReadOrRefusedButNeverCrash) {
  const std::string whole = GgufParts{}.bytes();
  std::mt19937 random(20240607);  // NOLINT: the same damage every time
  const auto below = [&](std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
  };
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = whole;
    for (std::size_t flips = 1 + below(4); flips > 0; --flips)
      damaged[below(damaged.size())] = below(3) == 0 ? '\xff' : static_cast<char>(below(256));
    // An allocation of its own size, so that a read beyond the end is one for AddressSanitizer too.
    const std::vector<char> exact(damaged.begin(), damaged.end());
    try {
      touch(parse_gguf(std::as_bytes(std::span(exact)), "damaged.gguf"));
    } catch (const UserError& error) {
      ++refused;
      EXPECT_THAT(error.what(), Not(HasSubstr("\n")));
    }
  }
  EXPECT_GT(refused, 1'000);
  EXPECT_LT(refused, 19'000);
}

struct Fault {
  std::string name;
  std::function<void(GgufParts&)> make;
  std::string message;
};

void PrintTo(const Fault& fault, std::ostream* out) {
  *out << fault.name;
}

class GgufFault : public ::testing::TestWithParam<Fault> {};

TEST_P(GgufFault, IsRefusedInOneLineThatSaysWhat) {
  GgufParts parts;
  GetParam().make(parts);
  const std::string bytes = parts.bytes();
  EXPECT_THAT([&] { parse(bytes); },
              ThrowsMessage<UserError>(
                  AllOf(StartsWith("model.gguf is "), HasSubstr(GetParam().message), Not(HasSubstr("\n")))));
}

const std::string numbers_claiming_2_60 = GgufParts::array("much", 5, std::uint64_t{1} << 60).bytes;

INSTANTIATE_TEST_SUITE_P(
    Each, GgufFault,
    ::testing::Values(
        Fault{"Magic", [](auto& p) { p.magic = "GGML"; }, "not a GGUF file"},
        Fault{"Version1", [](auto& p) { p.version = 1; }, "of version 1 (2 and 3 are read)"},
        Fault{"Version4", [](auto& p) { p.version = 4; }, "of version 4"},
        Fault{"BigEndian", [](auto& p) { p.version = 3U << 24; }, "big-endian"},
        Fault{"ValueType", [](auto& p) { p.values[0] = FieldWriter().value("k", 13, 0).bytes; }, "unknown type 13"},
        Fault{"Boolean", [](auto& p) { p.values[7] = FieldWriter().value("k", 7, std::uint8_t{2}).bytes; },
              "neither 0 nor 1"},
        Fault{"EmptyKey", [](auto& p) { p.values[0] = FieldWriter().value("", 0, std::uint8_t{1}).bytes; },
              "key is empty"},
        Fault{"KeyTwice", [](auto& p) { p.values.push_back(p.values[0]); }, "metadata key u8 occurs twice"},
        Fault{"NestedArray", [](auto& p) { p.values.push_back(GgufParts::array("nested", 9, 1).bytes); },
              "nested is an array of arrays"},
        Fault{"HugeArray", [](auto& p) { p.values.push_back(numbers_claiming_2_60); },
              "claims 1152921504606846976 elements"},
        Fault{"HugeStringArray",
              [](auto& p) { p.values.push_back(GgufParts::array("much", 8, ~std::uint64_t{0}).bytes); },
              "inside the value of much"},
        Fault{"StringOf2To64Bytes",
              [](auto& p) {
                p.values.push_back(
                    FieldWriter().string("much").template number<std::uint32_t>(8).number(~std::uint64_t{0}).bytes);
              },
              "inside the value of much"},
        Fault{"KeyWithNulAndNewline",
              [](auto& p) { p.values[0] = FieldWriter().value(std::string_view("k\0\n", 3), 13, 0).bytes; },
              "metadata key k\\x00\\x0a has"},
        Fault{"AlignmentType",
              [](auto& p) { p.values.push_back(FieldWriter().value("general.alignment", 5, 32).bytes); },
              "general.alignment is of type int32"},
        Fault{"AlignmentZero",
              [](auto& p) { p.values.push_back(FieldWriter().value("general.alignment", 4, 0U).bytes); },
              "general.alignment is 0"},
        Fault{"AlignmentOdd",
              [](auto& p) { p.values.push_back(FieldWriter().value("general.alignment", 4, 33U).bytes); },
              "not a power of two"},
        Fault{"TensorType", [](auto& p) { p.tensors[0].type = 4; }, "tensor a.weight has the unknown type 4"},
        Fault{"TensorTwice", [](auto& p) { p.tensors[1].name = "a.weight"; }, "tensor a.weight occurs twice"},
        Fault{"TensorWithoutName", [](auto& p) { p.tensors[1].name = ""; }, "no name"},
        Fault{"TensorNameWithControlCharacters",
              [](auto& p) {
                p.tensors[0] = {"a\n\x1b", {5}, 99, 0};
              },
              "tensor a\\x0a\\x1b has"},
        Fault{"NoDimensions", [](auto& p) { p.tensors[0].dims = {}; }, "has 0 dimensions"},
        Fault{"FiveDimensions",
              [](auto& p) {
                p.tensors[0].dims = {32, 1, 1, 1, 1};
              },
              "has 5 dimensions"},
        Fault{"ZeroExtent",
              [](auto& p) {
                p.tensors[0].dims = {32, 0};
              },
              "impossible shape [32, 0]"},
        Fault{"NegativeExtent",
              [](auto& p) {
                p.tensors[0].dims = {32, -2};
              },
              "impossible shape [32, -2]"},
        Fault{"Elements2To60", [](auto& p) { p.tensors[0].dims = {std::int64_t{1} << 60}; }, "beyond the end"},
        Fault{"ElementsOverflow",
              [](auto& p) {
                p.tensors[0].dims = {std::int64_t{1} << 32, std::int64_t{1} << 32};
              },
              "impossible shape"},
        Fault{"BytesOverflow", [](auto& p) { p.tensors[1].dims = {std::int64_t{1} << 62}; }, "impossible shape"},
        Fault{"PartOfABlock",
              [](auto& p) {
                p.tensors[0].dims = {33, 2};
              },
              "rows of 33 values, no multiple of Q4_0's block of 32"},
        Fault{"OffsetUnaligned", [](auto& p) { p.tensors[1].offset = 65; }, "no multiple of the alignment 32"},
        Fault{"OffsetBeyondTheEnd", [](auto& p) { p.tensors[1].offset = 96; }, "tensor b.bias reaches beyond the end"},
        Fault{"OffsetNegative", [](auto& p) { p.tensors[1].offset = static_cast<std::uint64_t>(-32); },
              "beyond the end"},
        Fault{"Overlap", [](auto& p) { p.tensors[1].offset = 32; }, "tensors a.weight and b.bias overlap"},
        Fault{"SamePlace", [](auto& p) { p.tensors[1].offset = 0; }, "overlap"}),
    [](const auto& test) { return test.param.name; });

TEST(Gguf, CountsThatTheFileCannotHoldAreRefusedBeforeAnythingIsAllocated) {
  for (const std::size_t place : {8, 16}) {  // the number of tensors, of metadata values
    std::string bytes = GgufParts{}.bytes();
    bytes[place + 7] = '\x10';  // 2^60
    EXPECT_THAT([&] { parse(bytes); }, ThrowsMessage<UserError>(HasSubstr("it claims ")));
  }
}

TEST(Gguf, AFileInMemoryIsReadAsOneOnDisk) {
  const std::string bytes = GgufParts{}.bytes();
  const GgufFile file(std::as_bytes(std::span(bytes)), "memory.gguf");
  EXPECT_EQ(file.get<std::string_view>("text"), "hello");
  EXPECT_EQ(file.file_bytes(), std::ssize(bytes));
  EXPECT_THAT([&] { file.tensor("c"); }, ThrowsMessage<UserError>(HasSubstr("memory.gguf has no tensor c ")));
}

TEST(Gguf, ReadsTheShippedDrafter) {
  const GgufFile file(PIPESPEC_SOURCE_DIR "/datasets/smollm2-draft-15m-q4_0.gguf");
  EXPECT_EQ(file.tensors().size(), 38U);
  EXPECT_EQ(file.get<std::string_view>("general.architecture"), "llama");
  EXPECT_EQ(file.get<std::int64_t>("llama.embedding_length"), 256);
  EXPECT_EQ(file.get<std::vector<std::string_view>>("tokenizer.ggml.tokens").size(), 49152U);
  EXPECT_THAT(file.tensor("token_embd.weight").dims, ElementsAre(256, 49152));
  EXPECT_THAT(file.tensor("blk.3.ffn_down.weight").dims, ElementsAre(704, 256));
}

}  // namespace
}  // namespace pipespec::io
