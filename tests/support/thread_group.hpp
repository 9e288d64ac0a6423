/// A tensor-parallel group of threads of one process.
#pragma once

#include <functional>

#include "comm/group.hpp"

namespace pipespec::testing {

/// Calls `body(group)` on `size` threads, each with its own rank of one group, and returns when all are done. An
/// exception in one of them ends the process.
void run_ranks(int size, const std::function<void(comm::Group&)>& body);

}  // namespace pipespec::testing
