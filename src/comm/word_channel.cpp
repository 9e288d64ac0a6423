#include "comm/word_channel.hpp"

#include <algorithm>
#include <utility>

#include "comm/mpi_call.hpp"
#include "comm/session.hpp"
#include "core/error.hpp"

namespace pipespec::comm {

WordChannel::WordChannel(const Communicator& comm, std::vector<int> peers, Tag tag, Doorbells* bells)
    : comm_(comm.get()), tag_(tag), bells_(bells) {
  for (const int peer : peers) {
    for (Receive& receive : peers_[peer].ring) post(peer, receive);
  }
}

WordChannel::~WordChannel() {
  if (!Session::is_initialised()) return;
  for (auto& [_, peer] : peers_) {
    for (Receive& receive : peer.ring) {
      if (receive.request == MPI_REQUEST_NULL) continue;
      MPI_Cancel(&receive.request);
      MPI_Wait(&receive.request, MPI_STATUS_IGNORE);
    }
  }
  for (Send& send : in_flight_) MPI_Request_free(&send.request);
}

void WordChannel::post(int peer, Receive& receive) {
  PIPESPEC_MPI(MPI_Irecv(receive.buffer.data(), static_cast<int>(receive.buffer.size()), MPI_INT32_T, peer,
                         static_cast<int>(tag_), comm_, &receive.request));
}

void WordChannel::send(int peer, std::span<const std::int32_t> words) {
  flush();
  while (words.size() > fragment_words) {
    send_fragment(peer, words.first(fragment_words), true);
    words = words.subspan(fragment_words);
  }
  send_fragment(peer, words, false);
}

void WordChannel::send_fragment(int peer, std::span<const std::int32_t> words, bool more) {
  if (free_.empty()) free_.emplace_back();
  in_flight_.splice(in_flight_.end(), free_, free_.begin());
  Send& send = in_flight_.back();
  send.buffer[0] = static_cast<std::int32_t>(words.size());
  send.buffer[1] = more ? 1 : 0;
  std::copy(words.begin(), words.end(), send.buffer.begin() + header_words);
  PIPESPEC_MPI(MPI_Isend(send.buffer.data(), header_words + static_cast<int>(words.size()), MPI_INT32_T, peer,
                         static_cast<int>(tag_), comm_, &send.request));
  if (reaches(peer)) bells_->ring(peer, tag_);
}

std::optional<std::vector<std::int32_t>> WordChannel::receive(int peer) {
  const auto entry = peers_.find(peer);
  expect(entry != peers_.end(), "messages come from the channel's peers");
  Peer& from = entry->second;
  if (!in_flight_.empty()) flush();  // MPI moves nothing unless it is called
  for (;;) {
    if (reaches(peer) && !bells_->has_news(peer, tag_)) return std::nullopt;
    Receive& next = from.ring[from.head];
    int arrived = 0;
    PIPESPEC_MPI(MPI_Test(&next.request, &arrived, MPI_STATUS_IGNORE));
    if (arrived == 0) return std::nullopt;
    if (reaches(peer)) bells_->take(peer, tag_);
    const auto words = std::span(next.buffer).subspan(header_words, next.buffer[0]);
    const bool more = next.buffer[1] != 0;
    from.assembled.insert(from.assembled.end(), words.begin(), words.end());
    post(peer, next);
    from.head = (from.head + 1) % receives_ahead;
    if (!more) return std::exchange(from.assembled, {});
  }
}

bool WordChannel::knows_news() const {
  return std::ranges::all_of(peers_, [this](const auto& peer) { return reaches(peer.first); });
}

bool WordChannel::may_have_news() const {
  return std::ranges::any_of(
      peers_, [this](const auto& peer) { return !reaches(peer.first) || bells_->has_news(peer.first, tag_); });
}

bool WordChannel::flush() {
  for (auto send = in_flight_.begin(); send != in_flight_.end();) {
    int sent = 0;
    PIPESPEC_MPI(MPI_Test(&send->request, &sent, MPI_STATUS_IGNORE));
    const auto next = std::next(send);
    if (sent != 0) free_.splice(free_.end(), in_flight_, send);
    send = next;
  }
  return in_flight_.empty();
}

}  // namespace pipespec::comm
