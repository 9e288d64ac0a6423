#include "app/stop_signal.hpp"

#include <csignal>
#include <initializer_list>

namespace pipespec::app {

namespace {

volatile std::sig_atomic_t requested = 0;  // signal handlers reach nothing but globals

void note(int signal) {
  // mpirun and a batch system often send the same signal twice in a row, so only an impatient user's second Ctrl-C
  // counts.
  if (requested != 0 && signal == SIGINT) std::signal(SIGINT, SIG_DFL);
  requested = 1;
}

}  // namespace

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaction(signal, &action, nullptr);
}

bool stop_requested() {
  return requested != 0;
}

}  // namespace pipespec::app
