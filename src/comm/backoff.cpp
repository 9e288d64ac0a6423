#include "comm/backoff.hpp"

#include <sched.h>

#include <algorithm>
#include <thread>

#include "core/precise_sleep.hpp"

namespace pipespec::comm {

namespace {

using namespace std::chrono_literals;

constexpr std::int64_t yields = 16;  // a poll of MPI takes about a microsecond, so this is some 20 µs

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
