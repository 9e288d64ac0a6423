#include "simulate/pipeline.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <optional>
#include <queue>
#include <random>
#include <utility>

#include "core/error.hpp"
#include "decoding/step_planner.hpp"

namespace pipespec::simulate {

using namespace decoding;

namespace {

/// A stage looks at its messages and its device.
struct Look {
  double time = 0;
  std::int64_t order = 0;  // of two at one time, the one that was caused first comes first
  int stage = 0;
  bool operator>(const Look& other) const { return std::pair(time, order) > std::pair(other.time, other.order); }
};

struct Arrival {
  double time = 0;
  Message message;
};

/// A stage with its device and what is on its way to it.
struct Node {
  Stage stage;
  StepPlanner planner;
  std::vector<std::deque<Arrival>> inbox;  // [sender]
  std::vector<int> senders;                // most urgent first
  StepPlan plan{};                         // of `work`
  std::vector<Work> work{};                // what the device computes in one pass; empty: it is free
  std::vector<Guess> results{};            // [work]
  double begin = 0, end = 0;               // of `work`
};

class Run {
 public:
  Run(const Chain& chain, std::span<const Prompt> prompts);
  std::vector<Sample> execute();

 private:
  int target() const { return static_cast<int>(nodes_.size()) - 1; }
  Sample& sample(SequenceId sequence) { return samples_[sequence.value - 1]; }
  void look_at(int stage, double time) { looks_.push({time, order_++, stage}); }
  void look(int stage, double now);
  void receive(int stage, double now);
  void send(int stage, double now);
  void feed(double now);
  void begin_work(int stage, double now);
  bool may_give_up(int stage) const;
  void give_up_work(int stage, double now);
  void complete_work(int stage, double now);
  int compute(int stage, const Work& work, Guess& result) const;
  void complete(int stage, const Pass& pass, const Guess& outputs, double now);
  void complete(int stage, const Proposal& proposal, const Guess& guess, double now);
  StepRecord& record(int stage, const Pass& pass, const StepResult& result, double now);
  void commit(SequenceId sequence, const StepResult& result, double now);
  double delay();

  const Chain& chain_;
  std::span<const Prompt> prompts_;
  std::vector<Node> nodes_;
  std::priority_queue<Look, std::vector<Look>, std::greater<>> looks_;
  std::int64_t order_ = 0;
  std::mt19937_64 random_;  // of the jitter
  std::size_t started_ = 0, finished_ = 0;
  std::vector<Sample> samples_;  // [prompt], which is started as sequence prompt + 1
};

Run::Run(const Chain& chain, std::span<const Prompt> prompts)
    : chain_(chain), prompts_(prompts), samples_(prompts.size()) {
  const int count = static_cast<int>(chain.stages.size());
  for (int s = 0; s < count; ++s) {
    StageOptions options = chain.options;
    options.index = {s};
    options.stages = count;
    options.has_model = chain.stages[s].drafter == nullptr;
    options.lenience = chain.stages[s].lenience;
    StepPlanner planner(chain.policy, options);
    nodes_.push_back({Stage(std::move(options)), std::move(planner), std::vector<std::deque<Arrival>>(count), {}});
    std::vector<int>& senders = nodes_.back().senders;
    if (s < count - 1) senders.push_back(s + 1);
    if (s < count - 2) senders.push_back(count - 1);
    if (s > 0) senders.push_back(s - 1);
  }
  for (Sample& each : samples_) each.steps.resize(count);
}

std::vector<Sample> Run::execute() {
  look_at(target(), 0);
  while (finished_ < prompts_.size()) {
    expect(!looks_.empty(), "a pipeline makes progress");
    const Look next = looks_.top();
    looks_.pop();
    look(next.stage, next.time);
  }
  return std::move(samples_);
}

/// What StageWorker does from one pass to the next.
void Run::look(int stage, double now) {
  Node& node = nodes_[stage];
  const bool is_busy = !node.work.empty() && now < node.end;
  if (is_busy && !may_give_up(stage)) return;  // it looks again when its device is free
  receive(stage, now);                         // what arrived during a pass counts before its result does
  if (!is_busy) {
    complete_work(stage, now);
  } else if (node.stage.is_void(node.work)) {
    give_up_work(stage, now);
  } else {
    return send(stage, now);
  }
  if (stage == target()) feed(now);
  send(stage, now);
  begin_work(stage, now);
}

void Run::receive(int stage, double now) {
  Node& node = nodes_[stage];
  for (const int sender : node.senders) {
    std::deque<Arrival>& arrivals = node.inbox[sender];
    for (; !arrivals.empty() && arrivals.front().time <= now; arrivals.pop_front()) {
      const Message& message = arrivals.front().message;
      const auto sequence = sequence_of(message);
      const SequenceState* state = sequence ? node.stage.find(*sequence) : nullptr;
      if (state != nullptr) node.planner.heard(message, *state, now);
      node.stage.receive({sender}, message);
    }
  }
  for (const Ended& ended : node.stage.take_ended()) {
    node.planner.ended(ended.sequence);
    if (chain_.stages[stage].drafter != nullptr) chain_.stages[stage].drafter->learn(ended.output);
  }
}

double Run::delay() {
  const Latency& latency = chain_.latency;
  if (latency.jitter == 0) return latency.seconds;
  return std::uniform_real_distribution(latency.seconds - latency.jitter, latency.seconds + latency.jitter)(random_);
}

void Run::send(int stage, double now) {
  for (Outgoing& outgoing : nodes_[stage].stage.take_outgoing()) {
    if (const auto sequence = sequence_of(outgoing.message)) ++sample(*sequence).messages;
    std::deque<Arrival>& arrivals = nodes_[outgoing.to.value].inbox[stage];
    const double earliest = arrivals.empty() ? now : arrivals.back().time;
    arrivals.push_back({std::max(earliest, now + delay()), std::move(outgoing.message)});
    look_at(outgoing.to.value, arrivals.back().time);
  }
}

void Run::feed(double now) {
  Stage& stage = nodes_[target()].stage;
  while (started_ < prompts_.size() && std::ssize(stage.live()) < chain_.sequences_in_flight) {
    samples_[started_].start = now;
    stage.start(prompts_[started_].tokens, prompts_[started_].max_length);
    ++started_;
  }
}

/// Returns the rows of a model.
int Run::compute(int stage, const Work& work, Guess& result) const {
  const StageModel& model = chain_.stages[stage];
  if (const Pass* pass = std::get_if<Pass>(&work)) {
    result = model.compute(*pass);
    return static_cast<int>(pass->tokens.size());
  }
  const Proposal& proposal = std::get<Proposal>(work);
  result = model.drafter->propose(nodes_[stage].stage.find(proposal.sequence)->view(), proposal.max_tokens);
  return 1;
}

void Run::begin_work(int stage, double now) {
  Node& node = nodes_[stage];
  node.plan = node.planner.plan(node.stage.candidates(), now);
  if (node.plan.choices.empty()) {
    if (std::isfinite(node.plan.look_again)) look_at(stage, node.plan.look_again);
    return;
  }
  node.work = node.stage.next_work(node.plan.choices);
  int rows = 0;
  node.results.assign(node.work.size(), {});
  for (std::size_t i = 0; i < node.work.size(); ++i) rows += compute(stage, node.work[i], node.results[i]);
  node.begin = now;
  node.end = now + chain_.stages[stage].times.seconds(rows);
  look_at(stage, node.end);
}

bool Run::may_give_up(int stage) const {
  return stage != target() && nodes_[stage].stage.options().has_model && !chain_.stages[stage].is_shared;
}

void Run::give_up_work(int stage, double now) {
  Node& node = nodes_[stage];
  for (const Work& work : std::exchange(node.work, {})) {
    const Pass& pass = std::get<Pass>(work);
    record(stage, pass, node.stage.give_up(pass), now).given_up = 1;
  }
}

void Run::complete_work(int stage, double now) {
  Node& node = nodes_[stage];
  const std::vector<Work> work = std::exchange(node.work, {});
  if (!work.empty() && node.stage.options().has_model) node.planner.passed(work, node.begin, now);
  for (std::size_t i = 0; i < work.size(); ++i)
    std::visit([&](const auto& w) { complete(stage, w, node.results[i], now); }, work[i]);
}

void Run::complete(int stage, const Pass& pass, const Guess& outputs, double now) {
  Node& node = nodes_[stage];
  const SequenceState* state = node.stage.find(pass.sequence);
  const std::optional<Draft> next_draft = state != nullptr ? draft_behind(pass, *state) : std::nullopt;
  const StepResult result = node.stage.complete(pass, outputs.tokens, outputs.confidences);
  node.planner.completed(pass, result, next_draft);
  record(stage, pass, result, now);
  if (stage == target()) commit(pass.sequence, result, now);
}

StepRecord& Run::record(int stage, const Pass& pass, const StepResult& result, double now) {
  const Node& node = nodes_[stage];
  const Choice& choice = node.plan.of(pass.sequence);
  std::vector<StepRecord>& steps = sample(pass.sequence).steps[stage];
  return steps.emplace_back(StepRecord{.sequence = pass.sequence,
                                       .begin = node.begin,
                                       .end = now,
                                       .position = pass.begin,
                                       .rows = static_cast<std::int32_t>(pass.tokens.size()),
                                       .offered = pass.drafts,
                                       .accepted = result.accepted,
                                       .appended = static_cast<std::int32_t>(result.appended.size()),
                                       .wasted = result.wasted,
                                       .kind = pass.kind,
                                       .available = choice.available,
                                       .expected = choice.expected,
                                       .waited = node.plan.waited});
}

void Run::complete(int stage, const Proposal& proposal, const Guess& guess, double now) {
  Node& node = nodes_[stage];
  StepResult result = node.stage.complete(proposal, guess.tokens, guess.confidences);
  if (result.appended.empty()) return;
  sample(proposal.sequence)
      .steps[stage]
      .push_back({.sequence = proposal.sequence,
                  .begin = node.begin,
                  .end = now,
                  .position = proposal.length,
                  .appended = static_cast<std::int32_t>(result.appended.size()),
                  .kind = StepKind::draft});
}

void Run::commit(SequenceId sequence, const StepResult& result, double now) {
  Sample& done = sample(sequence);
  done.tokens.insert(done.tokens.end(), result.appended.begin(), result.appended.end());
  done.commit_times.resize(done.tokens.size(), now);
  if (!result.finished) return;
  nodes_[target()].stage.finish(sequence);
  ++finished_;
}

}  // namespace

std::vector<Sample> run(const Chain& chain, std::span<const Prompt> prompts) {
  return Run(chain, prompts).execute();
}

}  // namespace pipespec::simulate
