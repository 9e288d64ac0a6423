/// What the SentencePiece library takes on trust in a model file.
#pragma once

#include <string>
#include <string_view>

namespace pipespec::text {

/// Checks `model`, a serialised ModelProto (sentencepiece_model.proto) of the file called `source`, for what the
/// library (0.1.97) follows without looking where it leads: pieces with a NUL, more than 64 user-defined pieces each of
/// which begins with the one before, and normalisation rules whose trie points beyond itself, never ends, or gives
/// texts that are not there. UserError where there is one; whatever else is wrong with a model, the library says.
void check_sentencepiece_model(std::string_view model, const std::string& source);

}  // namespace pipespec::text
