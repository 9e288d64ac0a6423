#include "device/thread_pool.hpp"

#include <chrono>

#include "core/error.hpp"

namespace pipespec::device {
namespace {

/// How long a waiting thread spins before it sleeps: longer than the gaps between the operations of a forward pass.
constexpr std::chrono::microseconds spin_time{50};

/// Whether this thread is inside a part of a loop, whatever the pool.
thread_local bool inside_loop = false;

void pause_instruction() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

/// Spins until `done()`; false where spin_time passed before.
template <class Done>
bool spin_until(Done done) {
  const auto deadline = std::chrono::steady_clock::now() + spin_time;
  do {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      pause_instruction();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return done();
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  expect(threads >= 1, "a pool has at least the caller's thread");
  errors_.resize(static_cast<std::size_t>(threads));
  workers_.reserve(static_cast<std::size_t>(threads - 1));
  for (int index = 1; index < threads; ++index) workers_.emplace_back([this, index] { work(index); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true);
  generation_.fetch_add(1);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::parallel_for(std::int64_t count, RangeFunction body) {
  if (count <= 0) return;
  if (count == 1 || workers_.empty() || inside_loop) {
    body(0, count);
    return;
  }
  body_ = &body;
  count_ = count;
  running_.store(static_cast<std::int32_t>(workers_.size()));
  generation_.fetch_add(1);
  generation_.notify_all();
  run_part(0);
  wait_for_parts();
  std::exception_ptr first;
  for (std::exception_ptr& error : errors_) {
    if (error && !first) first = error;
    error = nullptr;
  }
  if (first) std::rethrow_exception(first);
}

void ThreadPool::work(int index) {
  std::uint32_t seen = 0;
  while (true) {
    const auto changed = [&] { return generation_.load() != seen; };
    if (!spin_until(changed)) {
      sleeping_.fetch_add(1);
      generation_.wait(seen);
      sleeping_.fetch_sub(1);
    }
    if (!changed()) continue;
    ++seen;
    if (stop_.load()) return;
    run_part(index);
    if (running_.fetch_sub(1) == 1) running_.notify_one();
  }
}

void ThreadPool::run_part(int index) {
  const std::int64_t begin = count_ * index / threads();
  const std::int64_t end = count_ * (index + 1) / threads();
  if (begin == end) return;
  inside_loop = true;
  try {
    (*body_)(begin, end);
  } catch (...) {
    errors_[static_cast<std::size_t>(index)] = std::current_exception();
  }
  inside_loop = false;
}

void ThreadPool::wait_for_parts() {
  if (spin_until([this] { return running_.load() == 0; })) return;
  for (std::int32_t running = running_.load(); running != 0; running = running_.load()) running_.wait(running);
}

}  // namespace pipespec::device
