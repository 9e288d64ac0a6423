#include "device/thread_pool.hpp"

#include <algorithm>
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
  parts_ = std::vector<Part>(static_cast<std::size_t>(threads));
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
  count_.store(count);
  undone_.store(static_cast<std::int32_t>(count));
  const std::uint32_t generation = generation_.load() + 1;
  for (int part = 0; part < threads(); ++part) {
    const std::int64_t length = part_begin(part + 1, count) - part_begin(part, count);
    parts_[part].left.store(std::uint64_t{generation} << 32 | static_cast<std::uint64_t>(length));
  }
  generation_.store(generation);
  generation_.notify_all();
  run_chunks(0, generation);
  wait_for_chunks();
  const Part* lowest = nullptr;
  for (const Part& part : parts_) {
    if (part.error && (lowest == nullptr || part.error_begin < lowest->error_begin)) lowest = &part;
  }
  if (lowest == nullptr) return;
  const std::exception_ptr error = lowest->error;
  for (Part& part : parts_) part.error = nullptr;
  std::rethrow_exception(error);
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
    if (stop_.load()) return;
    seen = generation_.load();
    run_chunks(index, seen);
  }
}

/// Its own part first, then the next ones'.
void ThreadPool::run_chunks(int index, std::uint32_t generation) {
  inside_loop = true;
  for (int i = 0; i < threads(); ++i) {
    while (run_chunk_of((index + i) % threads(), generation, parts_[index])) {
    }
  }
  inside_loop = false;
}

/// Takes a chunk and runs it; false where none is left of this loop. As long as one is taken and not done the loop is
/// not over, so `body_` and `count_` are its own.
bool ThreadPool::run_chunk_of(int part, std::uint32_t generation, Part& own) {
  std::atomic<std::uint64_t>& left = parts_[part].left;
  std::uint64_t seen = left.load();
  std::int64_t begin = 0, chunk = 0;
  do {
    const auto length = static_cast<std::int64_t>(seen & 0xFFFFFFFF);
    if (seen >> 32 != generation || length == 0) return false;
    const std::int64_t count = count_.load(), end = part_begin(part + 1, count);
    const std::int64_t whole = end - part_begin(part, count);
    chunk = std::min(length, (whole + chunks_of_a_part - 1) / chunks_of_a_part);
    begin = end - length;
  } while (!left.compare_exchange_weak(seen, seen - static_cast<std::uint64_t>(chunk)));
  try {
    (*body_)(begin, begin + chunk);
  } catch (...) {
    if (!own.error || begin < own.error_begin) {
      own.error = std::current_exception();
      own.error_begin = begin;
    }
  }
  if (undone_.fetch_sub(static_cast<std::int32_t>(chunk)) == chunk) undone_.notify_one();
  return true;
}

void ThreadPool::wait_for_chunks() {
  if (spin_until([this] { return undone_.load() == 0; })) return;
  for (std::int32_t undone = undone_.load(); undone != 0; undone = undone_.load()) undone_.wait(undone);
}

}  // namespace pipespec::device
