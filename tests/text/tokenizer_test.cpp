#include "text/tokenizer.hpp"

#include <gmock/gmock.h>

#include <functional>
#include <random>

#include "core/error.hpp"
#include "io/json_lines.hpp"
#include "support/gguf_writer.hpp"
#include "support/scratch_directory.hpp"
#include "text/smollm2.hpp"

namespace pipespec::text {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::smollm2;
using ::testing::ThrowsMessage;

TEST(Smollm2Tokenizer, GivesTheTokensOfEveryReferenceCase) {
  io::JsonLines cases(PIPESPEC_SOURCE_DIR "/tests/text/data/smollm2_cases.jsonl");
  int count = 0;
  for (; const auto line = cases.next(); ++count) {
    const auto text = line->value["text"].get<std::string>();
    EXPECT_EQ(smollm2().encode(text), line->value["ids"].get<std::vector<Token>>()) << line->where;
  }
  EXPECT_EQ(count, 71);
}

TEST(Smollm2Tokenizer, DecodesEveryReferenceCase) {
  io::JsonLines cases(PIPESPEC_SOURCE_DIR "/tests/text/data/smollm2_cases.jsonl");
  while (const auto line = cases.next())
    EXPECT_EQ(smollm2().decode(line->value["ids"].get<std::vector<Token>>()), line->value["decoded"].get<std::string>())
        << line->where;
}

TEST(Smollm2Tokenizer, RecognisesSpecialTokensInATextButNotInAPlainOne) {
  EXPECT_THAT(smollm2().encode("<|im_start|>user"), ElementsAre(1, 4093));
  EXPECT_THAT(smollm2().encode_plain("<|im_end|>"), Not(::testing::Contains(2)));
  EXPECT_EQ(smollm2().decode(smollm2().encode_plain("<|im_end|>")), "<|im_end|>");
}

TEST(Smollm2Tokenizer, KnowsItsVocabulary) {
  EXPECT_EQ(smollm2().vocabulary_size(), 49152);
  EXPECT_EQ(smollm2().token_text(905), "Ġworld");
  EXPECT_EQ(smollm2().token_bytes(905), " world");
  EXPECT_TRUE(smollm2().is_special(2));
  EXPECT_FALSE(smollm2().is_special(905));
  EXPECT_EQ(smollm2().special_token("<|im_end|>"), 2);
  EXPECT_EQ(smollm2().special_token("world"), std::nullopt);
  EXPECT_THAT(smollm2().end_tokens(), ElementsAre(2));
}

TEST(Smollm2Tokenizer, WhatItDecodesToEncodesToTheSameText) {
  std::mt19937 random(7);
  std::uniform_int_distribution<int> code_point(0x20, 0x2fff);
  for (int round = 0; round < 200; ++round) {
    std::string text;
    for (int i = 0; i < 40; ++i) {
      const int c = code_point(random);
      if (c < 0x80) {
        text += static_cast<char>(c);
      } else if (c < 0x800) {
        text += {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 0x3f))};
      } else {
        text += {static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3f)),
                 static_cast<char>(0x80 | (c & 0x3f))};
      }
    }
    EXPECT_EQ(smollm2().decode(smollm2().encode(text)), text);
  }
}

TEST(Smollm2Tokenizer, LeavesOutBytesThatHaveNoToken) {
  EXPECT_EQ(smollm2().decode(smollm2().encode("a\x04"
                                              "b")),
            "ab");
  EXPECT_EQ(smollm2().encode("!\x04!"), smollm2().encode("!!"));  // its neighbours merge, as in Hugging Face
}

TEST(Smollm2Tokenizer, ALongWordTakesNoQuadraticTime) {
  const std::string word(1 << 20, 'a');  // a million merges; trying each pair anew each time would take hours
  EXPECT_EQ(smollm2().decode(smollm2().encode(word)), word);
}

TEST(Smollm2Tokenizer, RefusesTextThatIsNotUtf8) {
  EXPECT_THAT([] { smollm2().encode("ab\xff"); }, ThrowsMessage<UserError>(HasSubstr("byte 0xff at offset 2")));
}

TEST(Smollm2Tokenizer, RefusesToDecodeWhatIsNoToken) {
  for (const Token token : {-1, 49152})
    EXPECT_THAT([&] { smollm2().decode(std::vector<Token>{token}); },
                ThrowsMessage<UserError>(HasSubstr("is no token of")));
}

/// A file with a tokenizer of a few letters; tests change it and load it.
testing::GgufWriter letters() {
  testing::GgufWriter writer;
  writer.set("tokenizer.ggml.model", "gpt2");
  writer.set("tokenizer.ggml.pre", "smollm");
  writer.set("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b", "c", "bc", "ab", "abc", "</s>", "[pad]"});
  writer.set("tokenizer.ggml.token_type", std::vector<std::int32_t>{1, 1, 1, 1, 1, 1, 3, 4});
  writer.set("tokenizer.ggml.merges", std::vector<std::string>{"b c", "a b", "a bc"});
  writer.set("tokenizer.ggml.eos_token_id", std::uint32_t{6});
  return writer;
}

std::unique_ptr<const Tokenizer> load(const testing::GgufWriter& writer) {
  const testing::ScratchDirectory scratch;
  writer.write(scratch.path() / "m.gguf");
  return load_tokenizer(scratch.path() / "m.gguf");
}

TEST(BytePairs, TheFirstMergeInTheListComesFirst) {
  EXPECT_THAT(load(letters())->encode("abc"), ElementsAre(5));  // a bc, not ab c
  EXPECT_THAT(load(letters())->encode("abab"), ElementsAre(4, 4));
}

TEST(BytePairs, EqualPairsMergeFromTheLeft) {
  auto writer = letters();
  writer.set("tokenizer.ggml.tokens", std::vector<std::string>{"a", "aa", "</s>"});
  writer.set("tokenizer.ggml.token_type", std::vector<std::int32_t>{1, 1, 3});
  writer.set("tokenizer.ggml.merges", std::vector<std::string>{"a a"});
  writer.set("tokenizer.ggml.eos_token_id", std::uint32_t{2});
  EXPECT_THAT(load(writer)->encode("aaaaa"), ElementsAre(1, 1, 0));
}

TEST(BytePairs, UserDefinedTokensAreNeverSplitAndNotSpecial) {
  const auto tokenizer = load(letters());
  EXPECT_THAT(tokenizer->encode_plain("a[pad]b"), ElementsAre(0, 7, 1));
  EXPECT_FALSE(tokenizer->is_special(7));
}

TEST(BytePairs, SeveralEndTokensAreListedOnceInOrder) {
  auto writer = letters();
  writer.set("tokenizer.ggml.eot_token_id", std::uint32_t{2});
  writer.set("tokenizer.ggml.eom_token_id", std::uint32_t{6});
  EXPECT_THAT(load(writer)->end_tokens(), ElementsAre(2, 6));
}

struct Fault {
  std::string name;
  std::function<void(testing::GgufWriter&)> make;
  std::string message;
};

void PrintTo(const Fault& fault, std::ostream* out) {
  *out << fault.name;
}

class TokenizerFault : public ::testing::TestWithParam<Fault> {};

TEST_P(TokenizerFault, IsRefusedInOneLineThatNamesTheFile) {
  auto writer = letters();
  GetParam().make(writer);
  EXPECT_THAT([&] { load(writer); }, ThrowsMessage<UserError>(AllOf(HasSubstr("m.gguf"), HasSubstr(GetParam().message),
                                                                    Not(HasSubstr("\n")))));
}

using Strings = std::vector<std::string>;

INSTANTIATE_TEST_SUITE_P(
    Each, TokenizerFault,
    ::testing::Values(
        Fault{"Model", [](auto& w) { w.set("tokenizer.ggml.model", "bert"); }, "tokenizer model bert is not supported"},
        Fault{"Pre", [](auto& w) { w.set("tokenizer.ggml.pre", "viking"); },
              "pre-tokenizer viking is not supported (known: smollm, gpt-2, llama-bpe, "},
        Fault{"NoTokens", [](auto& w) { w.remove("tokenizer.ggml.tokens"); }, "tokenizer.ggml.tokens"},
        Fault{"NoMerges", [](auto& w) { w.remove("tokenizer.ggml.merges"); }, "tokenizer.ggml.merges"},
        Fault{"NoEndToken", [](auto& w) { w.remove("tokenizer.ggml.eos_token_id"); }, "names no end token"},
        Fault{"EndTokenOutside", [](auto& w) { w.set("tokenizer.ggml.eos_token_id", std::uint32_t{8}); },
              "tokenizer.ggml.eos_token_id is 8, beyond the vocabulary of 8 tokens"},
        Fault{"TypesTooFew", [](auto& w) { w.set("tokenizer.ggml.token_type", std::vector<std::int32_t>{1}); },
              "8 tokens but 1 token types"},
        Fault{"MergeOfUnknown",
              [](auto& w) {
                w.set("tokenizer.ggml.merges", Strings{"b c", "a x"});
              },
              "merge 1 (\"a x\") is not made of tokens"},
        Fault{"MergeWithoutSpace", [](auto& w) { w.set("tokenizer.ggml.merges", Strings{"ab"}); }, "merge 0 (\"ab\")"},
        Fault{"MergeEmpty", [](auto& w) { w.set("tokenizer.ggml.merges", Strings{""}); }, "merge 0 (\"\")"}),
    [](const auto& test) { return test.param.name; });

TEST(Vocabulary, TheSameTokensDoNotDiffer) {
  EXPECT_EQ(vocabulary_difference(*load(letters()), *load(letters())), std::nullopt);
}

TEST(Vocabulary, TheFirstDifferentTokenIsNamed) {
  auto other = letters();
  other.set("tokenizer.ggml.tokens", Strings{"a", "b", "c", "bc", "ab", "abc", "<\n>", "x"});
  EXPECT_EQ(vocabulary_difference(*load(letters()), *load(other)),
            "token 6 is \"</s>\" in one and \"<\\x0a>\" in the other");
}

TEST(Vocabulary, ADrafterMayKnowFewerTokensThanItsTargetButNotMore) {
  auto other = letters();
  other.set("tokenizer.ggml.tokens", Strings{"a", "b", "c", "bc", "ab", "abc", "</s>", "[pad]", "d"});
  other.remove("tokenizer.ggml.token_type");
  EXPECT_EQ(vocabulary_difference(*load(letters()), *load(other)), std::nullopt);
  EXPECT_EQ(vocabulary_difference(*load(other), *load(letters())), "the drafter has 9 tokens and the target 8");
}

}  // namespace
}  // namespace pipespec::text
