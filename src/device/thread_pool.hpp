/// The threads of one stage.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
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

/// Runs loops on a fixed number of threads, the caller among them. Workers spin for some tens of microseconds after a
/// loop, because the next one of a forward pass follows at once, and then sleep, so that an idle stage burns no core.
/// Owns its workers; one caller at a time. A loop inside a loop runs on the thread that met it.
class ThreadPool {
 public:
  /// `threads` ≥ 1, the caller included.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Workers that sleep in the kernel at this moment.
  int sleeping() const { return sleeping_.load(); }

  /// Calls `body(begin, end)` once for each non-empty part of [0, count). The parts are contiguous, one a thread at
  /// most, and depend on `count` and `threads()` alone. Returns when all are done; rethrows the exception of the lowest
  /// part.
  void parallel_for(std::int64_t count, RangeFunction body);

 private:
  void work(int index);
  void run_part(int index);
  void wait_for_parts();

  std::vector<std::thread> workers_;
  std::atomic<std::uint32_t> generation_{0};  ///< counts loops; a change wakes the workers
  std::atomic<std::int32_t> running_{0};      ///< workers that have not finished the loop
  std::atomic<std::int32_t> sleeping_{0};
  std::atomic<bool> stop_{false};
  const RangeFunction* body_ = nullptr;  ///< of the loop that runs
  std::int64_t count_ = 0;
  std::vector<std::exception_ptr> errors_;  ///< [threads], of the loop that runs
};

}  // namespace pipespec::device
