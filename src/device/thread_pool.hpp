/// The threads of one stage.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

namespace pipespec::device {

/// A borrowed callable `void(begin, end)`: no allocation, valid while the callable lives.
class RangeFunction {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, RangeFunction>)
      RangeFunction(F&& function)  // NOLINT: meant to convert, as std::function does
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(function)))),
        call_([](void* object, std::int64_t begin, std::int64_t end) {
          (*static_cast<std::remove_reference_t<F>*>(object))(begin, end);
        }) {}
  void operator()(std::int64_t begin, std::int64_t end) const { call_(object_, begin, end); }

 private:
  void* object_;
  void (*call_)(void*, std::int64_t, std::int64_t);
};

/// Runs loops on a fixed number of threads, the caller among them. Every thread has a part of a loop's range, takes it
/// in some chunks, and then takes what is left of the others' parts: where another process has a thread's core for a
/// while, the others do its work instead of waiting for it. Workers spin for some tens of microseconds after a loop,
/// because the next one of a forward pass follows at once, and then sleep, so that an idle stage burns no core.
/// Owns its workers; one caller at a time. A loop inside a loop runs on the thread that met it.
class ThreadPool {
 public:
  /// `threads` ≥ 1, the caller included.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(parts_.size()); }

  /// The most chunks that a loop is cut into.
  int most_chunks() const { return threads() == 1 ? 1 : threads() * chunks_of_a_part; }

  /// Workers that sleep in the kernel at this moment.
  int sleeping() const { return sleeping_.load(); }

  /// Calls `body(begin, end)` once for each non-empty chunk of [0, count), count < 2^31. The chunks are contiguous, and
  /// depend on `count` and `threads()` alone; which thread runs one does not. Returns when all are done; rethrows the
  /// exception of the lowest chunk.
  void parallel_for(std::int64_t count, RangeFunction body);

 private:
  static constexpr int chunks_of_a_part = 4;

  /// What is left of a thread's part of the loop: the loop's generation in the upper half, so that a thread that comes
  /// late takes nothing of the next loop unawares, and the number of indices in the lower one. On a cache line of its
  /// own.
  struct alignas(64) Part {
    std::atomic<std::uint64_t> left{0};
    std::exception_ptr error;  // of the lowest chunk that its thread ran and that threw
    std::int64_t error_begin = 0;
  };

  void work(int index);
  void run_chunks(int index, std::uint32_t generation);
  bool run_chunk_of(int part, std::uint32_t generation, Part& own);
  void wait_for_chunks();
  std::int64_t part_begin(int part, std::int64_t count) const { return count * part / threads(); }

  std::vector<Part> parts_;  ///< [threads]
  std::vector<std::thread> workers_;
  std::atomic<std::uint32_t> generation_{0};  ///< counts loops; a change wakes the workers
  std::atomic<std::int64_t> count_{0};        ///< indices of the loop,
  std::atomic<std::int32_t> undone_{0};       ///< and of those the ones that are not done
  std::atomic<std::int32_t> sleeping_{0};
  std::atomic<bool> stop_{false};
  const RangeFunction* body_ = nullptr;  ///< of the loop that runs
};

}  // namespace pipespec::device
