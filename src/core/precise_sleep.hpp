/// Sleeps that end when they should.
#pragma once

namespace pipespec {

/// From now on, sleeps of this thread end within microseconds of the time asked for, where the kernel's default is to
/// round them up by 50. Cheap to call again.
void sharpen_timers();

/// Returns at `time` of steady_seconds(). Leaves the core to others until shortly before, and spins through the rest,
/// because waking up takes a sleeper some tens of microseconds.
void sleep_until(double time);

}  // namespace pipespec
