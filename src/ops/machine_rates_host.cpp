#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/machine_rates_host.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include <algorithm>
#include <atomic>
#include <cstring>

#include "core/clock.hpp"
#include "device/buffer.hpp"
#include "ops/lanes_inl.hpp"
#include "ops/machine_rates.hpp"

HWY_BEFORE_NAMESPACE();
namespace pipespec::ops::HWY_NAMESPACE {

/// Sum of `count` floats, a multiple of 64, so that they are all read.
float read_all(const float* HWY_RESTRICT from, std::int64_t count) {
  Lanes sums[4] = {zero(), zero(), zero(), zero()};
  for (std::int64_t i = 0; i < count; i += 64) {
    PIPESPEC_UNROLL
    for (int j = 0; j < 4; ++j) sums[j] = add(load(from + i + 16 * j), sums[j]);
  }
  return sum_of_lanes(add(add(sums[0], sums[1]), add(sums[2], sums[3])));
}

/// Enough to hide the latency of a multiply-add on two units, and no more than there are registers.
constexpr int independent_sums = parts == 2 ? 5 : 10;

/// `steps` times independent_sums multiply-adds of 16 floats each.
float multiply_add(std::int64_t steps, float factor) {
  Lanes sums[independent_sums];
  const Lanes a = broadcast(factor), b = broadcast(1.0f - factor);
  for (auto& sum : sums) sum = b;
  for (std::int64_t step = 0; step < steps; ++step) {
    PIPESPEC_UNROLL
    for (int j = 0; j < independent_sums; ++j) sums[j] = fma(a, sums[j], b);
  }
  Lanes all = zero();
  for (const auto& sum : sums) all = add(all, sum);
  return sum_of_lanes(all);
}

std::int64_t operations_a_step() {
  return std::int64_t{2} * 16 * independent_sums;
}

}  // namespace pipespec::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pipespec::ops {

HWY_EXPORT(read_all);
HWY_EXPORT(multiply_add);
HWY_EXPORT(operations_a_step);

namespace {

constexpr std::int64_t bytes = std::int64_t{128} << 20;  // well beyond the caches
constexpr std::int64_t chunk = std::int64_t{1} << 18;    // bytes handed out together
constexpr int sweeps = 7;

/// `work` units a second in 1e9, of the quickest sweep.
template <class Sweep>
double best_rate(double work, Sweep sweep) {
  double quickest = 1e30;
  for (int i = 0; i < sweeps; ++i) {
    const double begin = steady_seconds();
    sweep();
    quickest = std::min(quickest, steady_seconds() - begin);
  }
  return work / quickest * 1e-9;
}

/// Results go here, so that the compiler keeps the loops.
std::atomic<float> sink;

}  // namespace

double measure_read_bandwidth(device::Stream& stream) {
  const device::Buffer<float> from(bytes / sizeof(float));
  return best_rate(bytes, [&] {
    stream.pool().parallel_for(bytes / chunk, [&](std::int64_t begin, std::int64_t end) {
      constexpr std::int64_t floats = chunk / std::int64_t{sizeof(float)};
      sink = HWY_DYNAMIC_DISPATCH(read_all)(from.data() + begin * floats, (end - begin) * floats);
    });
  });
}

double measure_copy_bandwidth(device::Stream& stream) {
  const device::Buffer<std::byte> from(bytes);
  device::Buffer<std::byte> to(bytes);
  return best_rate(2.0 * bytes, [&] {
    stream.pool().parallel_for(bytes / chunk, [&](std::int64_t begin, std::int64_t end) {
      std::memcpy(to.data() + begin * chunk, from.data() + begin * chunk,
                  static_cast<std::size_t>((end - begin) * chunk));
    });
  });
}

double measure_dot_rate(device::Stream& stream) {
  constexpr std::int64_t steps = 1 << 20;
  const int threads = stream.pool().threads();
  const std::int64_t operations = HWY_DYNAMIC_DISPATCH(operations_a_step)() * steps * threads;
  return best_rate(static_cast<double>(operations), [&] {
    stream.pool().parallel_for(threads, [&](std::int64_t begin, std::int64_t end) {
      sink = HWY_DYNAMIC_DISPATCH(multiply_add)((end - begin) * steps, 0.5f);
    });
  });
}

}  // namespace pipespec::ops
#endif
