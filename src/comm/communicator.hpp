/// Communicators of our own, and collectives that sleep while they wait.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace pipespec::comm {

/// Called between two looks for a message while a rank waits; may be empty. It may take microseconds.
using OnPoll = std::function<void()>;

/// Waits for a request, polling with Backoff.
void wait(MPI_Request& request, const OnPoll& on_poll = {});

/// Owns an MPI communicator whose errors are returned, not fatal, so that our checks see them. Move-only. Its
/// collectives are called by all its ranks in the same order; they wait as Backoff does, so that idle ranks leave their
/// core to others.
class Communicator {
 public:
  /// A copy of MPI_COMM_WORLD, collective over all ranks.
  static Communicator world();

  /// Collective: the ranks with the same `color`, in the order of their ranks here.
  Communicator split(int color) const;

  /// Collective: the ranks that can share memory with this one.
  Communicator split_by_host() const;

  Communicator(Communicator&& other) noexcept;
  Communicator& operator=(Communicator&& other) noexcept;
  ~Communicator();

  MPI_Comm get() const { return comm_; }
  int rank() const { return rank_; }
  int size() const { return size_; }

  void barrier(const OnPoll& on_poll = {}) const;

  /// `values` of `root` on every rank; equal extents.
  void broadcast(std::span<std::int64_t> values, int root, const OnPoll& on_poll = {}) const;

  /// The text of `root` on every rank.
  std::string broadcast(std::string text, int root) const;

  /// The tokens of `root` on every rank.
  std::vector<std::int32_t> broadcast(std::vector<std::int32_t> tokens, int root) const;

  /// One text of every rank, in rank order, on every rank.
  std::vector<std::string> gather_all(const std::string& text) const;

  /// One value of every rank, in rank order, on every rank.
  std::vector<std::int64_t> gather_all(std::int64_t value) const;
  std::vector<double> gather_all(double value) const;

 private:
  explicit Communicator(MPI_Comm comm);

  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 0;
};

}  // namespace pipespec::comm
