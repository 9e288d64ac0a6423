/// Whether NCCL, which tensor parallelism on GPUs needs, is part of this build.
#pragma once

#include <string>

namespace pipespec::comm {

/// "2.28.3", or "left out (not found at build time)".
std::string nccl_description();

}  // namespace pipespec::comm
