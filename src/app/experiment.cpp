#include "app/experiment.hpp"

#include <algorithm>
#include <utility>

#include "pipeline/stage_worker.hpp"

namespace pipespec::app {

decoding::StageOptions chain_options(const config::ExperimentConfig& experiment, std::vector<Token> end_tokens) {
  const auto stages = static_cast<int>(experiment.stages.size());
  const bool is_synchronous = experiment.strategy == config::Strategy::speculative;
  return {.index = {},
          .stages = stages,
          .schedule = is_synchronous ? decoding::Schedule::synchronous : decoding::Schedule::pipelined,
          // A round's drafts grow by at most one own token a stage, and all of them are verified in one pass.
          .window = is_synchronous ? experiment.lookahead + stages : experiment.window,
          .max_rows = model::Transformer::chunk_rows,
          .max_ahead = experiment.max_ahead,
          .lookahead = experiment.lookahead,
          .has_model = true,
          .end_tokens = std::move(end_tokens)};
}

comm::WordChannel make_leader_channel(const Job& job, comm::Doorbells& bells) {
  std::vector<int> peers;
  for (int stage = 0; stage < job.topology.stages() && job.place.is_leader(); ++stage) {
    if (stage != job.place.stage.value) peers.push_back(job.topology.leader({stage}, job.place.replica));
  }
  return {job.world, std::move(peers), comm::Tag::protocol, &bells};
}

SequenceId run_experiment(const Participant& participant, int index, pipeline::SampleQueue* queue, SequenceId newest,
                          std::function<void(SequenceId, StageTrace)> on_trace, const comm::OnPoll& on_poll) {
  const Job& job = participant.job;
  const config::ExperimentConfig& experiment = job.config.experiments[index];
  const auto place = std::find(experiment.stages.begin(), experiment.stages.end(), job.place.stage.value);
  if (place == experiment.stages.end()) return newest;

  const std::vector<int> threads = threads_of_ranks(job.config, job.topology, participant.sites, experiment.stages);
  participant.rank.set_threads(std::max(1, threads[job.world.rank()]));
  if (!job.place.is_leader()) {
    participant.rank.serve(on_poll);
    return newest;
  }
  pipeline::StageParts parts;
  parts.options = chain_options(experiment, participant.end_tokens);
  parts.policy = experiment.policy;
  parts.takes_from_target = takes_from_target(job.topology, participant.sites, threads, job.world.rank());
  parts.options.index.value = static_cast<int>(place - experiment.stages.begin());
  parts.options.has_model = job.stage().drafter == config::DrafterKind::model;
  parts.options.lenience = config::lenience_at(job.config, experiment, parts.options.index.value);
  for (const int stage : experiment.stages) parts.leaders.push_back(job.topology.leader({stage}, job.place.replica));
  parts.channel = &participant.channel;
  parts.clock = &participant.clock;
  parts.model = participant.rank.language_model();
  // What it learns from earlier outputs is of this experiment, so that each is measured alike.
  const auto drafter = parts.options.has_model ? nullptr : make_drafter(job.stage());
  parts.drafter = drafter.get();
  parts.queue = queue;
  const Sampling& sampling = job.config.generation.sampling;
  parts.recent_tokens = sampling.is_penalised() ? sampling.repetition_window : 0;
  parts.sequences_in_flight = experiment.sequences_in_flight;
  parts.newest = newest;
  parts.checks_invariants = participant.checks_invariants;
  parts.on_trace = std::move(on_trace);
  parts.on_poll = on_poll;
  newest = pipeline::StageWorker(std::move(parts)).run();
  participant.rank.release_peers();
  return newest;
}

}  // namespace pipespec::app
