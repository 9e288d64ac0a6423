/// Where characters begin and end in UTF-8 (The Unicode Standard, table 3-7).
#pragma once

#include <cstddef>
#include <string_view>

namespace pipespec::text {

enum class CharacterState {
  complete,    ///< a well-formed character
  incomplete,  ///< the text ends inside what may become one
  malformed,   ///< no further bytes can make it one
};

/// What stands at the front of a text.
struct FrontCharacter {
  CharacterState state;
  std::size_t bytes;  ///< of the character; incomplete: what is there of it; malformed: 1
};

/// The character at the front of `text`. Requires a text that is not empty.
FrontCharacter front_character(std::string_view text);

/// Throws UserError naming the first byte that is no UTF-8.
void validate_utf8(std::string_view text);

}  // namespace pipespec::text
