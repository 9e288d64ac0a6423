/// The one registry of message tags: two kinds of traffic on one communicator never share a tag.
#pragma once

#include <cstddef>

namespace pipespec::comm {

enum class Tag : int {
  protocol = 1,   ///< messages of the stage protocol, between the leaders of stages
  stage_command,  ///< a stage's leader to its tensor-parallel peers
  stop_request,   ///< any rank to the target's leader: a signal asks the job to stop
  clock,          ///< ping-pong that measures clock offsets
  sample_grant,   ///< the head of a job to the target's leader of each replica: which samples to decode
  sample_report,  ///< the other way: what has become of them
};

constexpr std::size_t tag_count = static_cast<std::size_t>(Tag::sample_report) + 1;

}  // namespace pipespec::comm
