/// Protocol messages as text, so that a test can state and print them.
#pragma once

#include <string>
#include <vector>

#include "decoding/message.hpp"

namespace pipespec::testing {

/// For example `correction to 0, epoch 1, at 4: 7 8`.
std::string to_text(const decoding::Outgoing& outgoing);
std::vector<std::string> to_text(const std::vector<decoding::Outgoing>& outgoing);

}  // namespace pipespec::testing
