/// A model that several ranks share: the leader tells its peers what to run, and all compute their shards together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/word_channel.hpp"
#include "model/language_model.hpp"

namespace pipespec::pipeline {

/// The leader's end. Every forward pass, and what slots share, is sent to the peers before the leader computes its own
/// shard; what a pass needs of a truncated cache travels with it. The peers run `serve_shared_model`. A pass runs to
/// its end on all ranks: `keep_going` is never asked. Keeps references; main thread only.
class SharedModel final : public model::LanguageModel {
 public:
  SharedModel(model::LanguageModel& own_shard, comm::WordChannel& channel, std::vector<int> peers)
      : own_(own_shard), channel_(channel), peers_(std::move(peers)) {}

  int vocabulary_size() const override { return own_.vocabulary_size(); }
  Position context_length() const override { return own_.context_length(); }
  int slots() const override { return own_.slots(); }
  Position length(model::Slot slot) const override { return own_.length(slot); }
  void truncate(model::Slot slot, Position length) override { own_.truncate(slot, length); }
  Position share(model::Slot from, model::Slot to, Position length) override;
  bool forward(std::span<const model::Segment> segments, std::span<Token> next, const model::KeepGoing& keep_going = {},
               std::span<float> probabilities = {}) override;

  /// Ends the peers' `serve_shared_model`.
  void release_peers();

 private:
  void tell_peers(std::span<const std::int32_t> words);

  model::LanguageModel& own_;
  comm::WordChannel& channel_;
  std::vector<int> peers_;
};

/// A peer's end: runs the leader's passes on this rank's shard until the leader releases it. Sleeps while there are
/// none.
void serve_shared_model(model::LanguageModel& own_shard, comm::WordChannel& channel, int leader,
                        const comm::OnPoll& on_poll = {});

}  // namespace pipespec::pipeline
