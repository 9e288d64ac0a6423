#include "comm/backoff.hpp"

#include <sched.h>
#include <sys/prctl.h>

#include <algorithm>
#include <thread>

namespace pipespec::comm {

namespace {

using namespace std::chrono_literals;

constexpr std::int64_t yields = 16;  // a poll of MPI takes about a microsecond, so this is some 20 µs

/// The kernel may round sleeps up by 50 µs; a stage that waits for drafts wants them shorter.
void sharpen_timers() {
  thread_local const int done = prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
  static_cast<void>(done);
}

}  // namespace

void Backoff::pause() {
  if (polls_++ < yields) {
    sched_yield();
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (polls_ == yields + 1) {
    sharpen_timers();
    since_ = now;
  }
  std::this_thread::sleep_for(std::clamp<std::chrono::nanoseconds>((now - since_) / 32, 20us, 1ms));
}

}  // namespace pipespec::comm
