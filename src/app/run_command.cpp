#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "app/agreement.hpp"
#include "app/commands.hpp"
#include "app/deadline.hpp"
#include "app/exit_status.hpp"
#include "app/experiment.hpp"
#include "app/job.hpp"
#include "app/loading.hpp"
#include "app/progress.hpp"
#include "app/provenance.hpp"
#include "app/rank_meter.hpp"
#include "app/run_queue.hpp"
#include "app/stop_signal.hpp"
#include "app/workload.hpp"
#include "comm/clock_offset.hpp"
#include "comm/stop_board.hpp"
#include "core/error.hpp"
#include "pipeline/sample_service.hpp"
#include "results/journal.hpp"
#include "results/output_directory.hpp"
#include "results/results_file.hpp"
#include "results/summary.hpp"

namespace pipespec::app {

namespace {

/// What the head of the job alone holds.
struct Head {
  std::optional<results::OutputDirectory> directory;
  results::Inputs inputs;
  std::vector<std::vector<results::SampleKey>> todo;  // [experiment]
  std::optional<Progress> progress;
  std::optional<pipeline::SampleServer> server;  // of the experiment that runs

  std::int64_t left() const {
    std::int64_t count = 0;
    for (const auto& keys : todo) count += std::ssize(keys);
    return count;
  }
};

/// A run on this rank, from the checked request to the table.
class Run {
 public:
  explicit Run(const comm::Communicator& world, const RunArguments& arguments);
  int execute();

 private:
  void open_files();
  void expect_same_samples();
  bool is_anything_left();
  void load();
  void begin_journal();
  void run_experiments();
  void keep_telemetry(int experiment);
  SequenceId experiment(int index, SequenceId newest);
  SequenceId decode(int index, SequenceId newest, pipeline::SampleQueue* queue);
  pipeline::Dispatcher dispatcher(int experiment) const;
  int conclude();
  bool is_stopped();
  void on_poll();
  bool is_late() const { return last_moment_ && steady_seconds() > *last_moment_; }

  Job job_;
  bool checks_invariants_;
  StageFiles files_;
  Head head_;
  std::vector<std::vector<tasks::Sample>> samples_;  // [task], at the targets' leaders
  Position positions_ = 0;
  std::vector<Token> end_tokens_;
  std::vector<RankSite> sites_;
  std::optional<LoadedRank> rank_;
  std::optional<RunClock> clock_;
  std::optional<RankMeter> meter_;
  std::optional<results::Journal> journal_;
  comm::Doorbells bells_;
  comm::WordChannel channel_;
  std::optional<pipeline::SampleChannels> sample_channels_;  // at the targets' leaders
  std::optional<pipeline::SampleClient> client_;             // there, of the experiment that runs
  comm::StopBoard stop_board_;
  std::optional<double> last_moment_;
};

Run::Run(const comm::Communicator& world, const RunArguments& arguments)
    : job_(open_job(world, arguments.config, arguments.overrides)),
      checks_invariants_(arguments.checks_invariants),
      bells_(world),
      channel_(make_leader_channel(job_, bells_)),
      stop_board_(world, job_.topology.target_leader(), &bells_),
      last_moment_(last_moment(job_.config.limits)) {
  if (!job_.is_target_leader()) return;
  std::vector<int> targets;
  for (int replica = 0; replica < job_.topology.replicas(); ++replica)
    targets.push_back(job_.topology.target_leader(replica));
  sample_channels_.emplace(world, targets.front(), targets, &bells_);
}

int Run::execute() {
  open_files();
  if (is_anything_left()) {
    load();
    begin_journal();
    run_experiments();
  }
  return conclude();
}

/// Everything that can be refused is refused here, before any weights are loaded.
void Run::open_files() {
  const config::RunConfig& config = job_.config;
  std::array<std::int64_t, 1> positions{};
  together(job_.world, [&] {
    files_ = open_stage(config, job_.stage(), Purpose::run);
    if (!job_.is_target_leader()) return;
    const Position context = files_.context;
    samples_ = read_tasks(config, *files_.tokenizer, context);
    positions[0] = positions_needed(samples_, config.generation.max_new_tokens, context);
    const auto ends = files_.tokenizer->end_tokens();
    end_tokens_.assign(ends.begin(), ends.end());
  });
  job_.world.broadcast(positions, job_.topology.target_leader());
  positions_ = static_cast<Position>(positions[0]);
  end_tokens_ = job_.world.broadcast(std::move(end_tokens_), job_.topology.target_leader());
  expect_same_samples();
  sites_ = gather_sites(job_.world);
  together(job_.world, [&] {
    check_context(job_.stage(), files_, positions_);
    if (!job_.is_head()) return;
    head_.directory.emplace(config);
    head_.inputs = hash_inputs(config);
    head_.directory->expect_inputs(head_.inputs);
    for (int e = 0; e < static_cast<int>(config.experiments.size()); ++e) {
      head_.todo.push_back(samples_left(samples_, e, head_.directory->completed()));
    }
  });
}

/// Collective: samples go by their number from the head to the other replicas.
void Run::expect_same_samples() {
  const std::vector<std::int64_t> digests = job_.world.gather_all(digest_of(samples_));
  const int head = job_.topology.target_leader();
  together(job_.world, [&] {
    validate(!job_.is_target_leader() || digest_of(samples_) == digests[head],
             "tasks: rank {} reads other prompts than rank {} (its data sets or its target's tokenizer differ): give "
             "all hosts the same files",
             job_.world.rank(), head);
  });
}

/// Collective.
bool Run::is_anything_left() {
  std::array<std::int64_t, 1> left{job_.is_head() ? head_.left() : 0};
  job_.world.broadcast(left, job_.topology.target_leader());
  return left[0] > 0;
}

void Run::load() {
  together(job_.world, [&] { rank_.emplace(job_, files_, positions_); });
  rank_->log_reading(job_);
}

void Run::begin_journal() {
  const double offset = comm::clock_offset(job_.world);
  std::array<std::int64_t, 1> attempt{head_.directory ? head_.directory->attempt() : 0};
  job_.world.broadcast(attempt, job_.topology.target_leader());
  const double zero = job_.world.gather_all(steady_seconds())[0];  // rank 0's clock
  clock_.emplace(zero + offset);
  meter_.emplace(job_, sites_, *clock_);
  results::Provenance provenance = gather_provenance(job_, offset, (*rank_)->bytes_read());
  provenance.inputs = head_.inputs;
  together(job_.world, [&] {
    if (!job_.place.is_leader()) return;
    journal_.emplace(job_.config.output, job_.world.rank(), static_cast<std::int32_t>(attempt[0]),
                     config::hash(job_.config), job_.place.replica);
    if (job_.is_head()) journal_->add(provenance, job_.config);
    journal_->commit();
  });
}

/// At the head.
bool Run::is_stopped() {
  return stop_requested() || stop_board_.is_asked();
}

/// While this rank waits, whatever for, and between its passes: the head learns of a signal that only this rank has
/// got, no counter turns over unseen, and samples are handed on.
void Run::on_poll() {
  if (stop_requested()) stop_board_.ask();
  meter_->poll();
  if (head_.server) {
    if (is_stopped()) {
      head_.server->abandon();
    } else if (is_late()) {
      head_.server->finish();
    }
    head_.server->poll();
  }
  if (client_) client_->poll();
}

void Run::run_experiments() {
  const auto poll = [this] { on_poll(); };
  if (job_.is_head()) {
    const std::int64_t completed = std::ssize(head_.directory->completed());
    head_.progress.emplace(head_.left() + completed, completed);
  }
  SequenceId newest;
  for (int e = 0; e < static_cast<int>(job_.config.experiments.size()); ++e) {
    std::array<std::int64_t, 1> decision{};  // whether to run it
    if (job_.is_head()) decision[0] = !head_.todo[e].empty() && !is_stopped() && !is_late() ? 1 : 0;
    job_.world.broadcast(decision, job_.topology.target_leader(), poll);
    if (decision[0] == 0) continue;
    meter_->begin();
    newest = experiment(e, newest);
    job_.world.barrier(poll);  // no message of one experiment meets the next one
    newest.value = static_cast<std::int32_t>(std::ranges::max(job_.world.gather_all(std::int64_t{newest.value})));
    keep_telemetry(e);
  }
  head_.progress.reset();
}

/// The queue of an experiment, at the head.
pipeline::Dispatcher Run::dispatcher(int experiment) const {
  std::vector<pipeline::Dispatcher::Sample> waiting;
  for (const results::SampleKey& key : head_.todo[experiment]) {
    const auto prompt = static_cast<Position>(samples_[key.task][key.index].prompt.size());
    waiting.push_back({.number = sample_number(samples_, key),
                       .length = std::min(prompt + job_.config.generation.max_new_tokens, positions_)});
  }
  return {std::move(waiting), job_.topology.replicas(), job_.config.experiments[experiment].sequences_in_flight};
}

/// This rank's part of an experiment, from its queue to its end at all replicas. Returns the newest sequence it knows.
SequenceId Run::experiment(int index, SequenceId newest) {
  if (job_.is_head()) {
    head_.progress->begin(job_.config.experiments[index].label);
    head_.server.emplace(*sample_channels_, dispatcher(index),
                         pipeline::SampleServer::Observer{
                             .on_tokens = [this](std::int64_t tokens) { head_.progress->add_tokens(tokens); },
                             .on_sample = [this] { head_.progress->add_sample(); }});
  }
  if (!job_.is_target_leader()) return decode(index, newest, nullptr);

  client_.emplace(*sample_channels_);
  const RunContext context{job_.config, samples_,  *files_.tokenizer,
                           positions_,  *journal_, [this] { return is_late(); }};
  RunQueue queue(context, index, *client_);
  newest = decode(index, newest, &queue);
  const auto poll = [this] { on_poll(); };
  client_->leave(poll);
  if (head_.server) head_.server->wait_until_closed(poll);
  client_.reset();
  head_.server.reset();
  return newest;
}

SequenceId Run::decode(int index, SequenceId newest, pipeline::SampleQueue* queue) {
  const Participant participant{job_, sites_, end_tokens_, **rank_, channel_, *clock_, checks_invariants_};
  const auto keep_trace = [this](SequenceId sequence, const StageTrace& trace) {
    journal_->add(trace, sequence);
    if (!job_.is_target_leader()) journal_->commit();  // the target's goes to the disk with its sample
  };
  return run_experiment(participant, index, queue, newest, keep_trace, [this] { on_poll(); });
}

/// Collective.
void Run::keep_telemetry(int experiment) {
  const std::vector<TelemetryRecord> records = meter_->end(experiment);
  if (!job_.is_head()) return;
  for (const TelemetryRecord& record : records) journal_->add(record);
  journal_->commit();
}

int Run::conclude() {
  together(job_.world, [&] {
    if (journal_) journal_->commit();
  });
  stop_board_.close();
  if (rank_) rank_->log_memory(job_);
  std::array<std::int64_t, 1> is_complete{};
  together(job_.world, [&] {
    if (!job_.is_head()) return;
    const results::Results results = results::read_journals(job_.config.output);
    std::vector<results::SampleKey> completed;  // in ascending order, as the results are
    for (const results::CompletedSample& done : results.samples) completed.push_back(results::key_of(done.sample));
    std::size_t left = 0;
    for (int e = 0; e < static_cast<int>(job_.config.experiments.size()); ++e) {
      left += samples_left(samples_, e, completed).size();
    }
    is_complete[0] = left == 0 ? 1 : 0;
    const std::filesystem::path file = results::results_path(job_.config.output);
    results::write_results_file(file, results);
    fmt::print("{}", results::format_table(results));
    fmt::print("\nresults: {}\n", file.string());
    if (is_complete[0] == 0) {
      fmt::print(stderr, "stopped early with {} of {} samples done: run the same command to go on\n", completed.size(),
                 completed.size() + left);
    }
  });
  job_.world.broadcast(is_complete, job_.topology.target_leader());
  return is_complete[0] != 0 ? exit_done : exit_stopped_early;
}

}  // namespace

int run_command(const comm::Communicator& world, const RunArguments& arguments) {
  return Run(world, arguments).execute();
}

}  // namespace pipespec::app
