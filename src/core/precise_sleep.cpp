#include "core/precise_sleep.hpp"

#include <sys/prctl.h>

#include <chrono>
#include <thread>

#include "core/clock.hpp"

namespace pipespec {

namespace {

constexpr double waking_up = 60e-6;  // seconds; on an idle core of a virtual machine half of it is usual

}  // namespace

void sharpen_timers() {
  thread_local const int done = prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
  static_cast<void>(done);
}

void sleep_until(double time) {
  sharpen_timers();
  const double idle = time - steady_seconds() - waking_up;
  if (idle > 0) std::this_thread::sleep_for(std::chrono::duration<double>(idle));
  while (steady_seconds() < time) continue;
}

}  // namespace pipespec
