/// One experiment of a job, on all ranks of a replica.
#pragma once

#include <functional>

#include "app/job.hpp"
#include "app/placement.hpp"
#include "app/stage_rank.hpp"
#include "comm/word_channel.hpp"
#include "core/clock.hpp"
#include "core/trace.hpp"
#include "decoding/stage.hpp"
#include "pipeline/sample_queue.hpp"

namespace pipespec::app {

/// What a rank takes part with; all outlives the call.
struct Participant {
  const Job& job;
  const std::vector<RankSite>& sites;
  const std::vector<Token>& end_tokens;  ///< the target's
  StageRank& rank;
  comm::WordChannel& channel;  ///< between the leaders of the replica's stages
  const RunClock& clock;
  bool checks_invariants = false;  ///< of the protocol, at every event
};

/// What the stages of an experiment's chain have in common; `index`, `has_model` and `lenience` are each stage's own.
decoding::StageOptions chain_options(const config::ExperimentConfig& experiment, std::vector<Token> end_tokens);

/// The channel between the leaders of all stages of this rank's replica; of a rank that leads none it has no peers.
comm::WordChannel make_leader_channel(const Job& job, comm::Doorbells& bells);

/// Collective over the ranks of a replica: decodes the samples of `queue` (the target's leader has one, the others
/// nullptr) as experiment `index` says. Ranks outside its chain return at once. Sequence ids go on from `newest`;
/// returns the newest at the target's leader.
SequenceId run_experiment(const Participant& participant, int index, pipeline::SampleQueue* queue, SequenceId newest,
                          std::function<void(SequenceId, StageTrace)> on_trace, const comm::OnPoll& on_poll);

}  // namespace pipespec::app
