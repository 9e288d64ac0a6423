/// SIGTERM, SIGINT and SIGUSR1: a request to stop in order.
#pragma once

namespace pipespec::app {

/// From now on the three signals are noted instead of ending the process. A third SIGINT ends it.
void catch_stop_signals();

/// A signal has asked this process to stop.
bool stop_requested();

}  // namespace pipespec::app
