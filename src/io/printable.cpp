#include "io/printable.hpp"

#include <fmt/format.h>

namespace pipespec::io {

std::string printable(std::string_view text) {
  constexpr std::size_t limit = 64;
  std::string line;
  for (const char character : text.substr(0, limit)) {
    const bool plain = character >= ' ' && character <= '~';
    line += plain ? std::string(1, character) : fmt::format("\\x{:02x}", static_cast<unsigned char>(character));
  }
  return text.size() > limit ? line + "..." : line;
}

}  // namespace pipespec::io
