#include "io/safetensors.hpp"

#include <gmock/gmock.h>

#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.hpp"
#include "io/json_file.hpp"
#include "support/scratch_directory.hpp"

namespace pipespec::io {
namespace {

using nlohmann::json;
using pipespec::testing::ScratchDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::ThrowsMessage;

std::string file_of(const std::string& header, std::size_t data_bytes) {
  std::string file(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(file.data(), &length, sizeof length);
  file += header;
  for (std::size_t i = 0; i < data_bytes; ++i) file += static_cast<char>(i);
  return file;
}

json entry(const char* type, std::vector<std::int64_t> shape, std::int64_t begin, std::int64_t end) {
  return {{"dtype", type}, {"shape", shape}, {"data_offsets", {begin, end}}};
}

std::vector<SafetensorsTensor> parse(const std::string& file) {
  return parse_safetensors(std::as_bytes(std::span(file)), "m.safetensors");
}

TEST(Safetensors, TensorsAreViewsOfTheData) {
  const json header = {{"a", entry("F32", {2, 1}, 0, 8)},
                       {"b", entry("BF16", {3}, 8, 14)},
                       {"s", entry("U8", {}, 14, 15)},
                       {"__metadata__", {{"format", "pt"}}}};
  const std::string file = file_of(header.dump(), 15);
  const auto tensors = parse(file);
  ASSERT_EQ(tensors.size(), 3U);
  EXPECT_EQ(tensors[0].name, "a");
  EXPECT_EQ(tensors[0].type, SafetensorsType::f32);
  EXPECT_THAT(tensors[0].shape, ElementsAre(2, 1));
  EXPECT_EQ(tensors[1].bytes.size(), 6U);
  EXPECT_EQ(tensors[1].bytes[0], std::byte{8});
  EXPECT_EQ(tensors[2].bytes.size(), 1U) << "a scalar";
}

struct Fault {
  const char* name;
  std::string file;
  const char* message;
};

class BrokenSafetensors : public ::testing::TestWithParam<Fault> {};

TEST_P(BrokenSafetensors, IsRefusedInOneLine) {
  EXPECT_THAT(
      [] { parse(GetParam().file); },
      ThrowsMessage<UserError>(AllOf(HasSubstr("m.safetensors"), HasSubstr(GetParam().message), Not(HasSubstr("\n")))));
}

std::string with(const json& tensor) {
  return file_of(json{{"a", tensor}}.dump(), 64);
}

constexpr std::int64_t huge = std::int64_t{1} << 60;

INSTANTIATE_TEST_SUITE_P(
    Each, BrokenSafetensors,
    ::testing::Values(
        Fault{"TooShort", "abc", "it ends inside the length of its header"},
        Fault{"LongHeader", file_of("{}", 0).replace(0, 8, std::string(8, '\x7f')), "does not fit"},
        Fault{"NoJson", file_of("{oops", 0), "not JSON"}, Fault{"NoObject", file_of("[1]", 0), "not a JSON object"},
        Fault{"Deep", file_of("{\"a\":" + std::string(100'000, '['), 0), "nested too deeply"},
        Fault{"NotUtf8", file_of("{\"\xff\":{}}", 0), "not JSON"},
        Fault{"NumberBeyondAllDoubles", file_of("{\"a\":1e999}", 0), "not JSON"},
        Fault{"NameOfTwoLines", file_of(json{{std::string("a\0\n", 3), 1}}.dump(), 0),
              "tensor a\\x00\\x0a has no dtype"},
        Fault{"TypeOfTwoLines", with(entry("F\n", {1}, 0, 1)), "is of type F\\x0a"},
        Fault{"OffsetBeyond64Bits",
              file_of(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[18446744073709551616,18446744073709551616]}})",
                      1),
              "holds 1.8446744073709552e+19"},
        Fault{"Twice", file_of(R"({"a": {"dtype":"U8","shape":[1],"data_offsets":[0,1]}, "a": {}})", 1),
              "occurs twice"},
        Fault{"NoShape", with({{"dtype", "F32"}, {"data_offsets", {0, 4}}}), "has no shape"},
        Fault{"Type", with(entry("F8_E4M3", {1}, 0, 1)), "is of type F8_E4M3"},
        Fault{"NegativeExtent", with(entry("F32", {-1}, 0, 4)), "holds -1"},
        Fault{"NegativeOffset", with(entry("F32", {1}, -4, 0)), "holds -4"},
        Fault{"Backwards", with(entry("F32", {1}, 8, 4)), "lies at bytes 8 to 4"},
        Fault{"Unaligned", with(entry("F32", {1}, 2, 6)), "not aligned"},
        Fault{"Beyond", with(entry("F32", {32}, 0, 128)), "of 64"},
        Fault{"ManyElements", with(entry("F32", {huge}, 0, 4)), "needs 4611686018427387904 bytes and has 4"},
        Fault{"ProductOverflows", with(entry("U8", {huge, huge}, 0, 4)), "more elements than any file"},
        Fault{"WrongSize", with(entry("F32", {2}, 0, 4)), "needs 8 bytes and has 4"},
        Fault{"ThreeOffsets", with({{"dtype", "U8"}, {"shape", {1}}, {"data_offsets", {0, 1, 2}}}), "3 data_offsets"},
        Fault{"Overlap", file_of(json{{"a", entry("U8", {4}, 0, 4)}, {"b", entry("U8", {4}, 2, 6)}}.dump(), 8),
              "tensors a and b overlap"}),
    [](const auto& test) { return test.param.name; });

/// Two shards and their index.
struct Shards {
  ScratchDirectory folder;
  json map = {{"a", "one.safetensors"}, {"b", "two.safetensors"}};

  Shards() {
    folder.write("one.safetensors", file_of(json{{"a", entry("U8", {1}, 0, 1)}}.dump(), 1));
    folder.write("two.safetensors", file_of(json{{"b", entry("U8", {1}, 0, 1)}}.dump(), 1));
  }
  void open() const {
    folder.write("model.safetensors.index.json", json{{"weight_map", map}}.dump());
    const SafetensorsFolder opened(folder.path());
    EXPECT_EQ(opened.tensors().size(), 2U);
    EXPECT_NE(opened.find("b"), nullptr);
    EXPECT_EQ(opened.find("c"), nullptr);
  }
};

TEST(SafetensorsShards, AreFoundThroughTheirIndex) {
  Shards().open();
}

TEST(SafetensorsShards, AreNotLookedForBesideASingleFile) {
  const Shards shards;
  shards.folder.write("model.safetensors", file_of(json{{"c", entry("U8", {1}, 0, 1)}}.dump(), 1));
  shards.folder.write("model.safetensors.index.json", "{}");
  const SafetensorsFolder opened(shards.folder.path());
  EXPECT_NE(opened.find("c"), nullptr);
  EXPECT_EQ(opened.tensors().size(), 1U);
}

TEST(SafetensorsShards, ThatAreMissingOrElsewhereAreRefused) {
  for (const auto& [shard, message] : std::vector<std::pair<std::string, std::string>>{
           {"three.safetensors", "three.safetensors cannot be read"},
           {"../two.safetensors", "no file of this folder"},
           {"/etc/hostname", "no file of this folder"},
           {std::string("two.safetensors\0", 16), "no file of this folder"},
           {"tw\no", "\"tw\\x0ao\" of b is no file of this folder"},
           {"", "no file of this folder"},
           {"one.safetensors", "and the shards hold 1"},
           {"model.safetensors.index.json", "not a valid safetensors file"}}) {
    Shards shards;
    shards.map["b"] = shard;
    EXPECT_THAT([&] { shards.open(); }, ThrowsMessage<UserError>(AllOf(HasSubstr(message), Not(HasSubstr("\n")))))
        << shard;
  }
}

TEST(SafetensorsShards, WithATensorThatTheIndexDoesNotListAreRefused) {
  Shards shards;
  shards.map.erase("b");
  shards.map["c"] = "two.safetensors";
  EXPECT_THAT([&] { shards.open(); }, ThrowsMessage<UserError>(HasSubstr("the index")));
}

TEST(SafetensorsShards, WithATensorThatAnotherShardHoldsTooAreRefused) {
  Shards shards;
  shards.folder.write("two.safetensors", file_of(json{{"a", entry("U8", {1}, 0, 1)}}.dump(), 1));
  EXPECT_THAT([&] { shards.open(); }, ThrowsMessage<UserError>(HasSubstr("holds the tensor a (the index")));
}

TEST(SafetensorsShards, WhoseIndexIsDamagedAreRefused) {
  for (const std::string& index :
       {std::string(100'000, '['), std::string("{}"), std::string("{\"weight_map\": {}}"),
        std::string("{\"weight_map\": {\"a\": 1}}"), std::string("{\"weight_map\": {\"\xff\"")}) {
    const Shards shards;
    shards.folder.write("model.safetensors.index.json", index);
    EXPECT_THAT([&] { SafetensorsFolder opened(shards.folder.path()); },
                ThrowsMessage<UserError>(AllOf(HasSubstr("model.safetensors.index.json"), Not(HasSubstr("\n")))))
        << index.substr(0, 40);
  }
}

TEST(JsonFile, ThatIsDamagedOrTooDeepIsRefused) {
  const ScratchDirectory folder;
  EXPECT_THAT([&] { read_json_file(folder.write("a.json", "{\"x\": 1")); },
              ThrowsMessage<UserError>(HasSubstr("a.json is not JSON")));
  EXPECT_THAT([&] { read_json_file(folder.write("b.json", std::string(100000, '['))); },
              ThrowsMessage<UserError>(HasSubstr("nested more than")));
  for (const std::string& text :
       {std::string("\0", 1), std::string("\"\xed\xa0\x80\""), std::string("1e999"), std::string("{\"a\nb\": ")})
    EXPECT_THAT([&] { parse_json(text, "c.json"); },
                ThrowsMessage<UserError>(AllOf(HasSubstr("c.json is not JSON"), Not(HasSubstr("\n")))));
}

}  // namespace
}  // namespace pipespec::io
