/// What the characters at the ends of a text are.
#pragma once

#include <string_view>

namespace pipespec::text {

// All of them require UTF-8.

/// `text` without the White_Space (Unicode) at its beginning, or at its end.
std::string_view without_space_before(std::string_view text);
std::string_view without_space_behind(std::string_view text);

/// Whether the first, or the last, character of `text` belongs to a word: a letter, a mark, a decimal digit, connector
/// punctuation or a joiner (Unicode Technical Standard 18, \w). Not where `text` is empty.
bool begins_with_word(std::string_view text);
bool ends_with_word(std::string_view text);

}  // namespace pipespec::text
