#include "comm/backoff.hpp"

#include <sched.h>

#include <algorithm>
#include <thread>

#include "comm/doorbells.hpp"
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
  const auto nap = std::clamp<std::chrono::nanoseconds>((now - since_) / 32, 20us, 1ms);
  if (bells_ != nullptr) {
    bells_->wait(nap);
  } else {
    std::this_thread::sleep_for(nap);
  }
}

}  // namespace pipespec::comm
