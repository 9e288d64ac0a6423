/// The stage protocol's messages as words of a channel.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "decoding/message.hpp"

namespace pipespec::pipeline {

/// Six words, `kind, sequence, epoch, position, extra, count`, then `count` tokens and, where a message tells them, as
/// many confidences. `extra` is the message's round,
/// confirmed or max_length. Fields a message lacks are 0.
std::vector<std::int32_t> encode(const decoding::Message& message);

/// The message encoded in `words`. Failure if they are not one.
decoding::Message decode(std::span<const std::int32_t> words);

}  // namespace pipespec::pipeline
