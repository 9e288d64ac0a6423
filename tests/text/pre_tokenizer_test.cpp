#include "text/pre_tokenizer.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"

namespace pipespec::text {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

const PreTokenizer& smollm() {
  static const PreTokenizer pre_tokenizer(gguf_pre_tokenizer("smollm", "model.gguf").patterns, "model.gguf");
  return pre_tokenizer;
}

TEST(PreTokenizer, WordsKeepTheSpaceBeforeThem) {
  EXPECT_THAT(smollm().split("Hello big world"), ElementsAre("Hello", " big", " world"));
}

TEST(PreTokenizer, DigitsStandAloneWithoutTheSpaceBeforeThem) {
  EXPECT_THAT(smollm().split("in 2024x"), ElementsAre("in", " ", "2", "0", "2", "4", "x"));
}

TEST(PreTokenizer, TheLastOfSeveralSpacesGoesToTheNextWord) {
  EXPECT_THAT(smollm().split("a   b"), ElementsAre("a", "  ", " b"));
  EXPECT_THAT(smollm().split("a   1"), ElementsAre("a", "   ", "1"));
}

TEST(PreTokenizer, ContractionsAreLowerCaseOnly) {
  EXPECT_THAT(smollm().split("we'll WE'LL"), ElementsAre("we", "'ll", " WE", "'", "LL"));
}

TEST(PreTokenizer, LettersAndSpacesAreThoseOfUnicode) {
  EXPECT_THAT(smollm().split("für α"), ElementsAre("für", " α"));
  EXPECT_THAT(smollm().split("a\u3000\u3000b"), ElementsAre("a", "\u3000", "\u3000", "b"));
  EXPECT_THAT(smollm().split("a\u0085b"), ElementsAre("a", "\u0085", "b"));
  EXPECT_THAT(smollm().split("a\u180eb"), ElementsAre("a", "\u180e", "b"));
}

TEST(PreTokenizer, TheMongolianVowelSeparatorIsNoSpace) {
  EXPECT_THAT(smollm().split("!\u180e"), ElementsAre("!\u180e"));
}

TEST(PreTokenizer, TheShorthandClassesOfAPatternAreThoseOfUnicode) {
  const std::vector<std::string> words = {R"(\w+)"};
  EXPECT_THAT(PreTokenizer(words, "model.gguf").split("für, α"), ElementsAre("für", ", ", "α"));
}

TEST(PreTokenizer, WhatOnigurumaReadsOtherwiseIsSpeltOut) {
  const auto spelt = [](std::string_view pattern) { return pcre_of_oniguruma(pattern, "tokenizer.json"); };
  EXPECT_EQ(spelt(R"(\s+(?!\S)|[^\s\p{L}]|\\s)"), R"(\p{White_Space}+(?!\P{White_Space})|[^\p{White_Space}\p{L}]|\\s)");
  EXPECT_EQ(spelt(R"(^\w|[\w-]\W$)"),
            R"((?m:^)[\p{L}\p{M}\p{N}\p{Pc}]|[\p{L}\p{M}\p{N}\p{Pc}-][^\p{L}\p{M}\p{N}\p{Pc}](?m:$))");
  EXPECT_EQ(spelt(R"(\h[\h]\H)"), "[0-9a-fA-F][0-9a-fA-F][^0-9a-fA-F]");
  EXPECT_EQ(spelt(R"(\v[\v])"), R"(\x0B[\x0B])");
  EXPECT_EQ(spelt(R"([!"#$%&'\[\]^])"), R"([!"#$%&'\[\]^])");
  EXPECT_EQ(spelt(R"(\p{L}+[\p{Lu}\p{Han}]|\p{N}{1,3}|[}+])"), R"(\p{L}+[\p{Lu}\p{sc:Han}]|\p{N}{1,3}|[}+])");
  for (const char* pattern : {R"(\bword)", R"([\W])", R"([[:punct:]]+)", R"([\p{L}&&[^a]])", R"([]\w])", R"([^]a])",
                              R"(\p{N}{1,3}+)", R"(\Qa\E)", R"((?m:a.b))"})
    EXPECT_THROW(spelt(pattern), UserError) << pattern;
}

TEST(PreTokenizer, APatternWhoseMatchesEndBeforeTheyBeginIsRefusedInsteadOfFollowedForEver) {
  const std::vector<std::string> backwards = {R"((?=(?1))(?(DEFINE)(a\K)))"};
  const PreTokenizer pre_tokenizer(backwards, "tokenizer.json");
  EXPECT_THAT([&] { pre_tokenizer.split("ba"); }, ThrowsMessage<UserError>(HasSubstr("matches backwards")));
}

TEST(PreTokenizer, APatternThatTriesTooMuchIsRefusedInsteadOfFollowedForHours) {
  const std::vector<std::string> exponential = {R"((\w+\s*)+\d\d\d)"};
  const PreTokenizer pre_tokenizer(exponential, "tokenizer.json");
  EXPECT_THAT([&] { pre_tokenizer.split(std::string(100, 'a')); },
              ThrowsMessage<UserError>(HasSubstr("cannot be split into words")));
}

TEST(PreTokenizer, AnEmptyTextHasNoWords) {
  EXPECT_THAT(smollm().split(""), IsEmpty());
}

TEST(PreTokenizer, MegabytesOfOneKindOfCharacterAreOneWord) {
  for (const char kind : {'a', ' ', '!'}) EXPECT_EQ(smollm().split(std::string(4 << 20, kind)).size(), 1U) << kind;
}

TEST(PreTokenizer, OneThatIsNotNamedIsLlamaCppsDefault) {
  const PreTokenizer pre_tokenizer(gguf_pre_tokenizer("default", "m.gguf").patterns, "m.gguf");
  EXPECT_THAT(pre_tokenizer.split("Hi, it's 12345$+x"),
              ElementsAre("Hi", ",", " it", "'", "s", " ", "123", "45", "$+", "x"));
}

TEST(PreTokenizer, AFamilyHasSeveralNames) {
  EXPECT_EQ(gguf_pre_tokenizer("llama3", "m.gguf").patterns, gguf_pre_tokenizer("llama-bpe", "m.gguf").patterns);
  EXPECT_TRUE(gguf_pre_tokenizer("llama-v3", "m.gguf").ignore_merges);
  EXPECT_EQ(gguf_pre_tokenizer("deepseek-r1-qwen", "m.gguf").patterns, gguf_pre_tokenizer("qwen2", "m.gguf").patterns);
}

TEST(PreTokenizer, AnUnknownNameIsRefusedWithTheKnownOnes) {
  EXPECT_THAT([] { gguf_pre_tokenizer("viking", "m.gguf"); },
              ThrowsMessage<UserError>(AllOf(HasSubstr("m.gguf: "), HasSubstr("viking"), HasSubstr("known: smollm"))));
}

TEST(PreTokenizer, AnExpressionThatDoesNotCompileIsRefused) {
  const std::vector<std::string> broken = {"(a"};
  EXPECT_THAT([&] { PreTokenizer(broken, "m.gguf"); },
              ThrowsMessage<UserError>(HasSubstr("m.gguf: the pattern (a is no regular expression")));
}

}  // namespace
}  // namespace pipespec::text
