/// How the samples of a job's one queue travel to the targets of its replicas, and word of them back.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/word_channel.hpp"
#include "pipeline/dispatcher.hpp"

namespace pipespec::pipeline {

/// Between the head, which holds the queue, and the targets' leaders, of which the head is one. They serve one
/// experiment after the other. Each of these ranks constructs its own; no other rank does.
struct SampleChannels {
  /// `targets`: [replica] ranks of `comm`; `bells` as of comm::WordChannel.
  SampleChannels(const comm::Communicator& comm, int head, std::vector<int> targets, comm::Doorbells* bells = nullptr);

  int head;
  std::vector<int> targets;
  comm::WordChannel grants;   ///< from the head
  comm::WordChannel reports;  ///< to the head
};

/// The head's end, for one experiment. Nothing in it blocks, so the head may decode samples itself and call `poll`
/// between its passes. Its last word to a replica answers that replica's last one: no message is left behind.
class SampleServer {
 public:
  /// What to do when `tokens` were committed, and when a sample is complete. May be empty.
  struct Observer {
    std::function<void(std::int64_t tokens)> on_tokens;
    std::function<void()> on_sample;
  };

  /// `channels` outlives it.
  SampleServer(SampleChannels& channels, Dispatcher dispatcher, Observer observer);

  /// Reads reports and hands out samples. Cheap when there is nothing to do.
  void poll();

  /// No sample is handed out any more; those that were are decoded. Called by itself when all are done.
  void finish();

  /// The same, and those in flight are dropped.
  void abandon();

  /// Returns when every replica has left; `on_poll`, called meanwhile, calls `poll`.
  void wait_until_closed(const comm::OnPoll& on_poll) const;

 private:
  enum class Phase : std::uint8_t { open, finishing, abandoned };

  void receive(int replica, std::span<const std::int32_t> words);
  void supply();
  void enter(Phase phase);

  SampleChannels& channels_;
  Dispatcher dispatcher_;
  Observer observer_;
  Phase phase_ = Phase::open;
  bool has_changed_ = true;  // since samples were handed out
  int left_ = 0;             // replicas
};

/// The end of a target's leader, for one experiment.
class SampleClient {
 public:
  /// `channels` outlives it.
  explicit SampleClient(SampleChannels& channels) : channels_(channels) {}

  /// Reads what the head says. Cheap.
  void poll();

  /// The number of the next sample to decode, if one is there.
  std::optional<std::int32_t> next();

  /// Tokens were committed: the head is told now and then.
  void add_tokens(std::int64_t count);

  /// A sample that `next` gave is complete, and safe.
  void done(std::int32_t sample);

  /// There is nothing to decode, and nothing will come.
  bool is_over() const { return is_finishing_ && ready_.empty(); }

  /// What is in flight should be dropped.
  bool is_abandoned() const { return is_abandoned_; }

  /// Ends this replica's part, once: what it was given and has not done goes back to the queue. Returns when the head
  /// has answered; `on_poll`, called meanwhile, calls `poll` (and the server's, at the head).
  void leave(const comm::OnPoll& on_poll);

 private:
  void report_tokens();

  SampleChannels& channels_;
  std::deque<std::int32_t> ready_;
  std::int64_t tokens_ = 0;  // the head has not heard of
  double reported_ = 0;      // when it last heard
  bool is_finishing_ = false;
  bool is_abandoned_ = false;
  bool is_closed_ = false;
};

}  // namespace pipespec::pipeline
