/// The forms that tokenizer.json files of BPE vocabularies take, against Hugging Face's tokenizers library
/// (data/make_forms.py).
#include <gmock/gmock.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/json_file.hpp"
#include "io/json_lines.hpp"
#include "support/scratch_directory.hpp"
#include "text/tokenizer.hpp"

namespace pipespec::text {
namespace {

using nlohmann::json;
using pipespec::testing::ScratchDirectory;

const std::filesystem::path data = PIPESPEC_SOURCE_DIR "/tests/text/data/forms";

/// The tokenizer of a line of forms.jsonl: a base with a JSON merge patch.
std::unique_ptr<const Tokenizer> tokenizer_of(const json& form) {
  json tokenizer = io::read_json_file(data / (form["base"].get<std::string>() + ".json"));
  tokenizer.merge_patch(form["patch"]);
  const ScratchDirectory folder;
  folder.write("tokenizer.json", tokenizer.dump());
  return load_tokenizer(folder.path());
}

TEST(BpeForms, HaveTheIdsAndTextsOfTheTokenizersLibrary) {
  io::JsonLines forms(data / "forms.jsonl");
  int count = 0;
  while (const auto form = forms.next()) {
    const auto name = form->value["name"].get<std::string>();
    const auto tokenizer = tokenizer_of(form->value);
    for (const json& each : form->value["cases"]) {
      const auto ids = each["ids"].get<std::vector<Token>>();
      EXPECT_EQ(tokenizer->encode(each["text"].get<std::string>()), ids) << name << ": " << each["text"];
      if (each.contains("decoded")) {
        EXPECT_EQ(tokenizer->decode(ids), each["decoded"].get<std::string>()) << name << ": " << each["ids"];
      }
      ++count;
    }
  }
  EXPECT_GT(count, 1000);
}

TEST(BpeForms, ATokenThatIsLookedForInTheNormalisedTextIsNoneInsideAChat) {
  io::JsonLines forms(data / "forms.jsonl");
  while (const auto form = forms.next()) {
    if (form->value["name"] != "llama2_added") continue;
    const auto tokenizer = tokenizer_of(form->value);
    const auto pad = tokenizer->special_token("<pad>");
    ASSERT_TRUE(pad.has_value());
    EXPECT_THAT(tokenizer->encode("<pad>"), ::testing::Contains(*pad));
    EXPECT_THAT(tokenizer->encode_plain("<pad></s>"), ::testing::Each(::testing::Not(::testing::AnyOf(*pad, 2))));
    return;
  }
  FAIL() << "forms.jsonl has no form llama2_added";
}

TEST(BpeForms, MergesNeverMakeASpecialToken) {
  const ScratchDirectory folder;
  folder.write("tokenizer.json", R"({
    "added_tokens": [{"id": 0, "content": "</s>", "special": true}, {"id": 8, "content": "x", "special": true}],
    "model": {"type": "BPE", "merges": ["< /", "</ s", "</s >"],
              "vocab": {"</s>": 0, "<": 1, "/": 2, "s": 3, ">": 4, "</": 5, "</s": 6, "a": 7, "x": 8}}})");
  const auto tokenizer = load_tokenizer(folder.path());
  EXPECT_THAT(tokenizer->encode("a</s>x"), ::testing::ElementsAre(7, 0, 8));
  EXPECT_THAT(tokenizer->encode_plain("a</s>x"), ::testing::ElementsAre(7, 6, 4));
}

}  // namespace
}  // namespace pipespec::text
