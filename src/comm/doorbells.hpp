/// How ranks of one host tell each other that there is a message, faster than MPI can be asked.
#pragma once

#include <mpi.h>
#include <semaphore.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/tags.hpp"

namespace pipespec::comm {

/// To ask MPI whether a message has come takes a microsecond and, where ranks share cores, a time slice: Open MPI gives
/// the core away when it finds nothing. So a sender also counts its message in memory that the ranks of a host share,
/// and rings: to look there takes nanoseconds, and who sleeps is woken.
///
/// Only what MPI carries is a message; a count says that it is worth asking for. Ranks of other hosts are not reached,
/// nor is anybody where MPI has no shared memory to give: then all is as without. Main thread only.
class Doorbells {
 public:
  /// Collective over the ranks of `comm`, and so is the end of a Doorbells unless an exception ends it.
  explicit Doorbells(const Communicator& comm);
  ~Doorbells();
  Doorbells(const Doorbells&) = delete;
  Doorbells& operator=(const Doorbells&) = delete;

  /// Whether rank `rank`'s messages are counted here, and ours there.
  bool reaches(int rank) const { return doors_[rank] != nullptr; }

  /// A message with `tag` has been sent to `rank`, which is reached.
  void ring(int rank, Tag tag);

  /// Whether a message of `rank`, which is reached, has not been taken yet.
  bool has_news(int rank, Tag tag) const { return arrived(rank, tag) != taken_[place(rank, tag)]; }

  /// One of them has been received.
  void take(int rank, Tag tag) { ++taken_[place(rank, tag)]; }

  /// Sleeps until somebody rings, or has since the last call; at most for `most`. Before, it lets MPI move what it has
  /// not sent yet: whoever asks only where there is news may call it nowhere else.
  void wait(std::chrono::nanoseconds most);

 private:
  using Count = std::atomic<std::uint32_t>;
  static_assert(Count::is_always_lock_free, "processes share it");

  /// A rank's part of the shared memory; [rank of comm][tag] counts of what was sent to it follow. Aligned as memory
  /// from malloc is, which MPI gives a rank that is alone.
  struct alignas(16) Door {
    sem_t bell;
    Count* counts() { return reinterpret_cast<Count*>(this + 1); }
  };

  static std::size_t place(int rank, Tag tag) {
    return static_cast<std::size_t>(rank) * tag_count + static_cast<std::size_t>(tag);
  }
  std::uint32_t arrived(int rank, Tag tag) const {
    return doors_[own_]->counts()[place(rank, tag)].load(std::memory_order_acquire);
  }

  Communicator host_;
  int own_;
  MPI_Win memory_ = MPI_WIN_NULL;
  std::vector<Door*> doors_;          // [rank], nullptr where not reached
  std::vector<std::uint32_t> taken_;  // [rank][tag]
};

}  // namespace pipespec::comm
