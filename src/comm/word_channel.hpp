/// Ordered, non-blocking messages of 32-bit words between ranks.
#pragma once

#include <mpi.h>

#include <array>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/doorbells.hpp"
#include "comm/tags.hpp"

namespace pipespec::comm {

/// Messages between this rank and a fixed set of peers. Nothing blocks: receives are posted ahead, sends are copied
/// into buffers that outlive them. Messages of one pair of ranks arrive in the order in which they were sent; a long
/// one travels in several fragments and arrives whole.
///
/// A fragment is `[payload words, 1 if more follow, payload …]`. Both ends construct their channel with the same tag.
/// States of a receive slot: posted → complete → (read) → posted; of a send buffer: in flight → free.
/// Not thread-safe: the main thread's.
class WordChannel {
 public:
  /// `bells`, of the same communicator, rings where it reaches a peer and is heard; it outlives the channel. All
  /// channels of a tag have one, or none has.
  WordChannel(const Communicator& comm, std::vector<int> peers, Tag tag, Doorbells* bells = nullptr);

  /// Withdraws the receives. A message that is still in flight would be lost, and so would one of a later channel of
  /// the same tag: the protocol above ends each link with a last message, and a job has one channel of each tag.
  ~WordChannel();
  WordChannel(const WordChannel&) = delete;
  WordChannel& operator=(const WordChannel&) = delete;

  /// Sends `words` to `peer`; returns at once.
  void send(int peer, std::span<const std::int32_t> words);

  /// The next message of `peer`, if one has arrived.
  std::optional<std::vector<std::int32_t>> receive(int peer);

  /// Whether bells reach all peers, and so may_have_news() tells.
  bool knows_news() const;

  /// Whether a message has come or, of a peer that no bell reaches, may have. Takes nanoseconds.
  bool may_have_news() const;

  Doorbells* bells() const { return bells_; }

  /// Frees the buffers of sends that are complete; true if none is in flight any more.
  bool flush();

 private:
  static constexpr int header_words = 2;
  static constexpr int fragment_words = 254;
  static constexpr int receives_ahead = 8;
  using Fragment = std::array<std::int32_t, header_words + fragment_words>;

  struct Receive {
    Fragment buffer;
    MPI_Request request = MPI_REQUEST_NULL;
  };
  struct Peer {
    std::array<Receive, receives_ahead> ring;
    int head = 0;                         // the receive that completes next
    std::vector<std::int32_t> assembled;  // fragments of a message that is not whole yet
  };
  struct Send {
    Fragment buffer;
    MPI_Request request = MPI_REQUEST_NULL;
  };

  bool reaches(int peer) const { return bells_ != nullptr && bells_->reaches(peer); }
  void post(int peer, Receive& receive);
  void send_fragment(int peer, std::span<const std::int32_t> words, bool more);

  MPI_Comm comm_;
  Tag tag_;
  Doorbells* bells_;
  std::map<int, Peer> peers_;
  std::list<Send> in_flight_;
  std::list<Send> free_;
};

}  // namespace pipespec::comm
