/// How a signal at any rank reaches the rank that decides.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/doorbells.hpp"

namespace pipespec::comm {

/// Every rank but the decider sends one word in its life: that it was asked to stop, or, at the end, that it was not.
/// So no message is left behind. Keeps a reference to the communicator. Main thread only.
class StopBoard {
 public:
  /// `bells` as of WordChannel.
  StopBoard(const Communicator& comm, int decider, Doorbells* bells = nullptr);

  /// Without close(), on an error path: withdraws what is still open.
  ~StopBoard();
  StopBoard(const StopBoard&) = delete;
  StopBoard& operator=(const StopBoard&) = delete;

  /// Tells the decider, once. Cheap to call again.
  void ask();

  /// At the decider: some rank has asked.
  bool is_asked();

  /// Collective, once: all words are in.
  void close();

 private:
  bool reaches(int rank) const { return bells_ != nullptr && bells_->reaches(rank); }
  void send(std::int32_t word);

  const Communicator& comm_;
  int decider_;
  Doorbells* bells_;
  bool has_sent_ = false;
  bool asked_ = false;
  std::int32_t word_ = 0;
  MPI_Request sent_ = MPI_REQUEST_NULL;
  std::vector<std::int32_t> words_;    // [ranks] at the decider
  std::vector<MPI_Request> requests_;  // [ranks]
};

}  // namespace pipespec::comm
