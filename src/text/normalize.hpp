/// What a tokenizer makes of a text before it is split into words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pipespec::text {

/// One step of it. A file's steps apply one after another.
struct Rewriting {
  enum class Kind : std::uint8_t {
    nfc,      ///< Unicode's canonical composition (Unicode Standard Annex 15)
    nfd,      ///< canonical decomposition
    nfkc,     ///< compatibility composition
    nfkd,     ///< compatibility decomposition
    replace,  ///< every `pattern` becomes `content`
    prepend,  ///< `content` goes in front
    begin,    ///< `content` goes in front unless it is there already
  };
  Kind kind = Kind::nfc;
  std::string pattern = {};
  std::string content = {};
  bool first_only = false;  ///< only the beginning of a text has it: no stretch behind a special token
};

/// The stretch of text after all steps; `is_first` where it begins its text. Requires UTF-8. An empty stretch stays
/// empty.
std::string rewrite(std::string_view stretch, const std::vector<Rewriting>& steps, bool is_first);

}  // namespace pipespec::text
