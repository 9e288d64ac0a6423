#include "text/special_tokens.hpp"

#include <gmock/gmock.h>

namespace pipespec::text {
namespace {

using ::testing::ElementsAre;

/// The parts as text, tokens as "#7".
std::vector<std::string> split(const SpecialTokens& tokens, std::string_view text, SpecialTokens::Recognise which) {
  std::vector<std::string> shown;
  for (const auto& part : tokens.split(text, which))
    shown.push_back(part.token ? "#" + std::to_string(*part.token) : std::string(part.text));
  return shown;
}

SpecialTokens tokens() {
  SpecialTokens tokens;
  tokens.add("<a>", 1, TokenKind::control);
  tokens.add("<a><b>", 2, TokenKind::control);
  tokens.add("<user>", 3, TokenKind::user_defined);
  tokens.add("ab", 4, TokenKind::control);
  return tokens;
}

constexpr auto all = SpecialTokens::Recognise::all;
constexpr auto plain = SpecialTokens::Recognise::plain;

TEST(SpecialTokens, AreCutOutOfTheText) {
  EXPECT_THAT(split(tokens(), "x<a>y<user>", all), ElementsAre("x", "#1", "y", "#3"));
}

TEST(SpecialTokens, TheLongestOneCounts) {
  EXPECT_THAT(split(tokens(), "<a><b><a>", all), ElementsAre("#2", "#1"));
}

TEST(SpecialTokens, PartsOfOneAreText) {
  EXPECT_THAT(split(tokens(), "<a <us", all), ElementsAre("<a <us"));
}

TEST(SpecialTokens, ControlTokensArePlainTextWhereUsersWrite) {
  EXPECT_THAT(split(tokens(), "x<a>y<user>ab", plain), ElementsAre("x<a>y", "#3", "ab"));
}

TEST(SpecialTokens, MayTakeTheSpaceAroundThem) {
  SpecialTokens tokens;
  tokens.add("<l>", 1, TokenKind::control, {.takes_space_before = true});
  tokens.add("<r>", 2, TokenKind::control, {.takes_space_behind = true});
  EXPECT_THAT(split(tokens, "a \n<l> b", all), ElementsAre("a", "#1", " b"));
  EXPECT_THAT(split(tokens, "a <r>\u3000 b", all), ElementsAre("a ", "#2", "b"));
  EXPECT_THAT(split(tokens, "<r>  <l>", all), ElementsAre("#2", "#1")) << "a space belongs to one of them";
}

TEST(SpecialTokens, MayBeWholeWordsOnly) {
  SpecialTokens tokens;
  tokens.add("word", 1, TokenKind::user_defined, {.whole_word = true});
  EXPECT_THAT(split(tokens, "word words, word", all), ElementsAre("#1", " words, ", "#1"));
  EXPECT_THAT(split(tokens, "aword \u00e9word word\u0301", all), ElementsAre("aword \u00e9word word\u0301"));
}

TEST(SpecialTokens, OnlyControlTokensAreFoundByName) {
  EXPECT_EQ(tokens().find("<a>"), 1);
  EXPECT_EQ(tokens().find("<a><b>"), 2);
  EXPECT_EQ(tokens().find("<user>"), std::nullopt);
  EXPECT_EQ(tokens().find("<a>x"), std::nullopt);
  EXPECT_EQ(tokens().find(""), std::nullopt);
}

}  // namespace
}  // namespace pipespec::text
