#include "text/utf8.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"

namespace pipespec::text {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

void expect_front(std::string_view text, CharacterState state, std::size_t bytes) {
  const auto front = front_character(text);
  EXPECT_EQ(front.state, state) << text;
  EXPECT_EQ(front.bytes, bytes) << text;
}

TEST(Utf8, CharactersOfOneToFourBytesAreComplete) {
  expect_front("ab", CharacterState::complete, 1);
  expect_front(std::string_view("\0", 1), CharacterState::complete, 1);
  expect_front("\xc3\xa9x", CharacterState::complete, 2);
  expect_front("\xe2\x82\xac", CharacterState::complete, 3);
  expect_front("\xf0\x9f\x99\x82", CharacterState::complete, 4);
  expect_front("\xf4\x8f\xbf\xbf", CharacterState::complete, 4);  // U+10FFFF
}

TEST(Utf8, APrefixOfACharacterIsIncomplete) {
  expect_front("\xc3", CharacterState::incomplete, 1);
  expect_front("\xe2\x82", CharacterState::incomplete, 2);
  expect_front("\xf0\x9f\x99", CharacterState::incomplete, 3);
}

TEST(Utf8, OverlongFormsSurrogatesAndStrayBytesAreMalformed) {
  for (const std::string_view text : {"\x80", "\xff", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\x80", "\xed\xa0\x80",
                                      "\xf0\x8f\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3x", "\xe2\x82x"})
    expect_front(text, CharacterState::malformed, 1);
}

TEST(Utf8, ValidationNamesTheFirstBadByte) {
  EXPECT_NO_THROW(validate_utf8("caf\xc3\xa9"));
  EXPECT_NO_THROW(validate_utf8(""));
  EXPECT_THAT([] { validate_utf8("caf\xe9 noir"); }, ThrowsMessage<UserError>(HasSubstr("byte 0xe9 at offset 3")));
  EXPECT_THROW(validate_utf8("caf\xc3"), UserError);
}

}  // namespace
}  // namespace pipespec::text
