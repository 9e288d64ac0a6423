/// The tokens that a drafter can predict, as the user names them.
#pragma once

#include <span>
#include <vector>

#include "config/run_config.hpp"
#include "core/types.hpp"

namespace pipespec::app {

/// The tokens of a draft vocabulary, ascending, with the end tokens, so that a drafter can end. A file is JSON: a list
/// of ids in any order. UserError if it is not that, or if the model, of `vocabulary` tokens, has fewer.
std::vector<Token> draft_tokens(const config::DraftVocabulary& draft, int vocabulary,
                                std::span<const Token> end_tokens);

}  // namespace pipespec::app
