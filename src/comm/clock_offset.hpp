/// How far the steady clocks of the ranks are apart.
#pragma once

#include "comm/communicator.hpp"

namespace pipespec::comm {

/// Collective. This rank's steady clock minus rank 0's, in seconds: the middle of the fastest of several round trips
/// (F. Cristian, "Probabilistic clock synchronization", 1989). 0 on rank 0.
double clock_offset(const Communicator& comm);

}  // namespace pipespec::comm
