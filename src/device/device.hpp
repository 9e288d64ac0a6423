/// Where work runs: devices, the ordered queues of work on them, and points in those queues.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "device/buffer.hpp"
#include "device/thread_pool.hpp"

namespace pipespec::device {

enum class Backend { host, cuda };

/// One processor that computes: the host's cores, or a GPU. A value: copy it freely.
class Device {
 public:
  static Device host();

  Backend backend() const { return backend_; }
  const std::string& name() const { return name_; }  ///< the processor's model name

 private:
  Device(Backend backend, std::string name) : backend_(backend), name_(std::move(name)) {}
  Backend backend_;
  std::string name_;
};

/// An ordered queue of work on one device. On the host every operation is done when its call returns, on the threads of
/// the stream. Owns the threads and the scratch memory. One caller at a time.
class Stream {
 public:
  /// `threads`: host threads of the stream, ≥ 1, the caller included.
  explicit Stream(Device device, int threads = 1);

  const Device& device() const { return device_; }
  ThreadPool& pool() { return *pool_; }

  /// Changes the number of host threads, ≥ 1. Results do not depend on it.
  void set_threads(int threads);

  /// Returns when all work given to the stream is done.
  void synchronize() {}

  /// Uninitialised memory for intermediate results of one operation, 64-byte aligned, valid until the next call.
  /// Grows to the largest size asked for, then allocates no more.
  std::span<std::byte> scratch(std::size_t bytes);

 private:
  Device device_;
  std::unique_ptr<ThreadPool> pool_;
  Buffer<std::byte> scratch_;
};

/// A point in a stream's work.
class Event {
 public:
  /// Marks the work given to `stream` so far.
  void record(Stream& stream) { stream.synchronize(); }
  /// Whether the marked work is done.
  bool query() const { return true; }
  /// Returns when the marked work is done.
  void synchronize() const {}
};

}  // namespace pipespec::device
