#include "text/utf8.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace pipespec::text {
namespace {

/// What may follow a lead byte: how many bytes, and the range of the first of them.
struct Lead {
  std::size_t length;  // of the character; 0: not a lead byte
  unsigned char low = 0x80, high = 0xbf;
};

Lead lead_of(unsigned char byte) {
  if (byte < 0x80) return {1};
  if (byte < 0xc2) return {0};
  if (byte < 0xe0) return {2};
  if (byte == 0xe0) return {3, 0xa0};        // no overlong forms
  if (byte == 0xed) return {3, 0x80, 0x9f};  // no surrogates
  if (byte < 0xf0) return {3};
  if (byte == 0xf0) return {4, 0x90};
  if (byte < 0xf4) return {4};
  if (byte == 0xf4) return {4, 0x80, 0x8f};  // no code points beyond U+10FFFF
  return {0};
}

}  // namespace

FrontCharacter front_character(std::string_view text) {
  expect(!text.empty(), "a character stands at the front of the text");
  const Lead lead = lead_of(static_cast<unsigned char>(text.front()));
  if (lead.length == 0) return {CharacterState::malformed, 1};
  for (std::size_t i = 1; i < lead.length; ++i) {
    if (i == text.size()) return {CharacterState::incomplete, text.size()};
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool fits = i == 1 ? byte >= lead.low && byte <= lead.high : byte >= 0x80 && byte <= 0xbf;
    if (!fits) return {CharacterState::malformed, 1};
  }
  return {CharacterState::complete, lead.length};
}

void validate_utf8(std::string_view text) {
  for (std::size_t place = 0; place < text.size();) {
    const auto [state, bytes] = front_character(text.substr(place));
    validate(state == CharacterState::complete,
             "the text is not UTF-8 (byte 0x{:02x} at offset {}): convert it, for example with iconv",
             static_cast<unsigned char>(text[place]), place);
    place += bytes;
  }
}

}  // namespace pipespec::text
