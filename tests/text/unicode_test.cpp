#include "text/unicode.hpp"

#include <gtest/gtest.h>

namespace pipespec::text {
namespace {

TEST(Unicode, WhiteSpaceIsUnicodes) {
  EXPECT_EQ(without_space_before(" \t\n\u0085\u00a0\u2028\u3000a "), "a ");
  EXPECT_EQ(without_space_behind(" a\r\n\u1680\u202f"), " a");
  EXPECT_EQ(without_space_before("\u200b "), "\u200b ") << "a zero-width space is none";
  EXPECT_EQ(without_space_behind(" \n"), "");
}

TEST(Unicode, WordsAreLettersMarksDigitsConnectorsAndJoiners) {
  for (const char* character : {"a", "é", "中", "\u0301", "٣", "Ⅷ", "_", "\u200d"}) {
    EXPECT_TRUE(begins_with_word(std::string(character) + "!")) << character;
    EXPECT_TRUE(ends_with_word("!" + std::string(character))) << character;
  }
  for (const char* character : {" ", "-", "½", "😀", "\u00a0"}) {
    EXPECT_FALSE(begins_with_word(character)) << character;
    EXPECT_FALSE(ends_with_word(character)) << character;
  }
  EXPECT_FALSE(begins_with_word(""));
  EXPECT_FALSE(ends_with_word(""));
}

}  // namespace
}  // namespace pipespec::text
