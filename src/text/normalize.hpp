/// Unicode normalisation.
#pragma once

#include <string>
#include <string_view>

namespace pipespec::text {

/// The text in Unicode's canonical composition (Unicode Standard Annex 15, NFC). Requires UTF-8.
std::string to_nfc(std::string_view text);

}  // namespace pipespec::text
