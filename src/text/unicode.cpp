#include "text/unicode.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "text/utf8.hpp"

namespace pipespec::text {

namespace {

utf8proc_int32_t code_point(std::string_view character) {
  utf8proc_int32_t value = -1;
  utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(character.data()),
                   static_cast<utf8proc_ssize_t>(character.size()), &value);
  return value;
}

std::string_view first_character(std::string_view text) {
  return text.substr(0, front_character(text).bytes);
}

std::string_view last_character(std::string_view text) {
  std::size_t begin = text.size() - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80) --begin;
  return text.substr(begin);
}

bool is_space(std::string_view character) {
  const utf8proc_int32_t c = code_point(character);
  if (c == 0x85 || (c >= '\t' && c <= '\r')) return true;  // White_Space by name, not by category
  const utf8proc_category_t category = utf8proc_category(c);
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

bool is_of_a_word(std::string_view character) {
  constexpr auto categories =
      std::to_array({UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LL, UTF8PROC_CATEGORY_LT, UTF8PROC_CATEGORY_LM,
                     UTF8PROC_CATEGORY_LO, UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_MC, UTF8PROC_CATEGORY_ME,
                     UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NL, UTF8PROC_CATEGORY_PC});
  const utf8proc_int32_t c = code_point(character);
  const bool is_joiner = c == 0x200c || c == 0x200d;
  return is_joiner || std::ranges::find(categories, utf8proc_category(c)) != categories.end();
}

}  // namespace

std::string_view without_space_before(std::string_view text) {
  while (!text.empty() && is_space(first_character(text))) text.remove_prefix(first_character(text).size());
  return text;
}

std::string_view without_space_behind(std::string_view text) {
  while (!text.empty() && is_space(last_character(text))) text.remove_suffix(last_character(text).size());
  return text;
}

bool begins_with_word(std::string_view text) {
  return !text.empty() && is_of_a_word(first_character(text));
}

bool ends_with_word(std::string_view text) {
  return !text.empty() && is_of_a_word(last_character(text));
}

}  // namespace pipespec::text
