/// Names that come from a file, made fit for a message.
#pragma once

#include <string>
#include <string_view>

namespace pipespec::io {

/// `text` on one line: bytes outside printable ASCII as \xNN, shortened with "..." after 64 characters.
std::string printable(std::string_view text);

}  // namespace pipespec::io
