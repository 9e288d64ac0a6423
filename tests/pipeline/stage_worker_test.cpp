/// The MPI runtime of a stage with models that have no weights: one rank a stage.
#include "pipeline/stage_worker.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "comm/communicator.hpp"
#include "core/error.hpp"
#include "list_queue.hpp"
#include "support/toy_model.hpp"

namespace pipespec::pipeline {
namespace {

using decoding::Schedule;
using ::pipespec::testing::ToyModels;
using ::pipespec::testing::ToyText;

/// A toy model behind the interface of real ones: its cache holds tokens, and every contract is checked.
class ToyLanguageModel final : public model::LanguageModel {
 public:
  ToyLanguageModel(const ToyModels& models, int stage, int slots, int vocabulary, std::chrono::milliseconds pass)
      : models_(models), stage_(stage), vocabulary_(vocabulary), pass_(pass), caches_(slots) {}

  int vocabulary_size() const override { return vocabulary_; }
  Position context_length() const override { return 4096; }
  int slots() const override { return static_cast<int>(caches_.size()); }
  Position length(model::Slot slot) const override { return static_cast<Position>(caches_.at(slot).size()); }
  void truncate(model::Slot slot, Position length) override {
    expect(length <= this->length(slot), "a cache is cut, never extended, by truncate");
    caches_.at(slot).resize(length);
  }
  Position share(model::Slot from, model::Slot to, Position length) override {
    expect(from != to && length <= this->length(from), "another slot's positions are shared");
    caches_.at(to) = caches_.at(from);
    truncate(to, length / block_positions * block_positions);
    return this->length(to);
  }
  bool forward(std::span<const model::Segment> segments, std::span<Token> next, const model::KeepGoing& keep_going,
               std::span<float> /*probabilities*/) override {
    constexpr int layers = 10;
    for (int layer = 1; layer <= layers; ++layer) {
      std::this_thread::sleep_for(pass_ / layers);
      if (keep_going && !keep_going()) return false;
    }
    std::size_t at = 0;
    for (const model::Segment& s : segments) {
      expect(s.begin == length(s.slot), "a pass begins where the cache ends");
      std::vector<Token>& cache = caches_.at(s.slot);
      for (std::size_t row = 0; row < s.tokens.size(); ++row) {
        expect(s.tokens[row] < vocabulary_, "a model is given tokens that it knows");
        cache.push_back(s.tokens[row]);
        if (row + s.outputs >= s.tokens.size()) next[at++] = models_.next(stage_, ToyText::of(cache));
      }
    }
    expect(at == next.size(), "as many outputs as were asked for");
    return true;
  }

 private:
  const ToyModels& models_;
  int stage_;
  int vocabulary_;
  std::chrono::milliseconds pass_;  // how long it takes
  std::vector<std::vector<Token>> caches_;
};

std::vector<std::vector<Token>> random_prompts(int count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::vector<Token>> prompts(count);
  for (auto& prompt : prompts) {
    prompt.resize(1 + random() % 30);
    for (Token& token : prompt) token = static_cast<Token>(1 + random() % 5);
  }
  return prompts;
}

/// One chain over all ranks of the world. Without doorbells it is as if every rank had a host of its own.
struct Chain {
  const comm::Communicator& world;
  std::optional<comm::Doorbells> bells;
  std::optional<comm::WordChannel> channel;
  RunClock clock{steady_seconds()};
  ToyModels models;
  Schedule schedule = Schedule::pipelined;
  StepPolicy policy = {};
  int in_flight = 1;
  int drafters_know = 1000;  // tokens; the target knows all of them
  std::chrono::milliseconds pass{0};
  std::function<void()> on_poll = {};
  std::vector<std::pair<SequenceId, StageTrace>> traces = {};

  explicit Chain(const comm::Communicator& comm, bool has_bells = true) : world(comm) {
    if (has_bells) bells.emplace(comm);
    channel.emplace(comm, everybody(comm), comm::Tag::protocol, bells ? &*bells : nullptr);
    models.end_rate = 0.01;
    models.agreement.assign(world.size() - 1, 0.8);
  }

  /// The receives of this channel would take the messages of the next one, so all ranks withdraw them first.
  ~Chain() {
    channel.reset();
    world.barrier();
  }

  static std::vector<int> everybody(const comm::Communicator& comm) {
    std::vector<int> peers;
    for (int r = 0; r < comm.size(); ++r) {
      if (r != comm.rank()) peers.push_back(r);
    }
    return peers;
  }

  SequenceId run(ListQueue& queue, SequenceId newest = {}) {
    const bool is_target = world.rank() == world.size() - 1;
    ToyLanguageModel model(models, world.rank(), in_flight, is_target ? 1000 : drafters_know, pass);
    StageParts parts;
    parts.options = {.index = {world.rank()},
                     .stages = world.size(),
                     .schedule = schedule,
                     .window = 8,
                     .max_ahead = 24,
                     .lookahead = 4,
                     .has_model = true,
                     .end_tokens = {models.end_token}};
    for (int r = 0; r < world.size(); ++r) parts.leaders.push_back(r);
    parts.policy = policy;
    parts.channel = &*channel;
    parts.clock = &clock;
    parts.model = &model;
    parts.queue = world.rank() == world.size() - 1 ? &queue : nullptr;
    parts.sequences_in_flight = in_flight;
    parts.newest = newest;
    parts.checks_invariants = true;
    parts.on_trace = [this](SequenceId id, StageTrace trace) { traces.emplace_back(id, std::move(trace)); };
    parts.on_poll = on_poll;
    newest = StageWorker(std::move(parts)).run();
    world.barrier();
    return newest;
  }

  void expect_autoregressive(const ListQueue& queue, std::size_t count, Position new_tokens) const {
    if (world.rank() != world.size() - 1) return;
    ASSERT_EQ(queue.answers().size(), count);
    for (const Answer& answer : queue.answers()) {
      const std::vector<Token>& prompt = queue.prompt(answer.key);
      EXPECT_EQ(answer.tokens, models.autoregressive(prompt, static_cast<Position>(prompt.size()) + new_tokens));
      EXPECT_EQ(answer.commit_times.size(), answer.tokens.size());
      EXPECT_TRUE(std::is_sorted(answer.commit_times.begin(), answer.commit_times.end()));
    }
  }
};

class BothSchedules : public ::testing::TestWithParam<Schedule> {};

TEST_P(BothSchedules, TheOutputIsTheTargetsOwn) {
  const comm::Communicator world = comm::Communicator::world();
  Chain chain(world);
  chain.schedule = GetParam();
  ListQueue queue(random_prompts(20, 1), 100);
  chain.run(queue);
  chain.expect_autoregressive(queue, 20, 100);
}

TEST_P(BothSchedules, SeveralSequencesInFlightDoNotMix) {
  const comm::Communicator world = comm::Communicator::world();
  Chain chain(world);
  chain.schedule = GetParam();
  chain.in_flight = 4;
  ListQueue queue(random_prompts(20, 2), 60);
  chain.run(queue);
  chain.expect_autoregressive(queue, 20, 60);
}

INSTANTIATE_TEST_SUITE_P(StageWorker, BothSchedules, ::testing::Values(Schedule::pipelined, Schedule::synchronous));

TEST(StageWorker, RandomDelaysInTheDriverDoNotChangeTheOutput) {
  const comm::Communicator world = comm::Communicator::world();
  std::mt19937 random(static_cast<unsigned>(world.rank()));
  for (int run = 0; run < 200; ++run) {
    Chain chain(world);
    chain.models.seed = 7;
    chain.on_poll = [&random] {
      if (random() % 8 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
    };
    ListQueue queue(random_prompts(1, 3), 40);
    chain.run(queue);
    chain.expect_autoregressive(queue, 1, 40);
    if (::testing::Test::HasFailure()) FAIL() << "in run " << run;
  }
}

TEST(StageWorker, WhatTwoPromptsShareIsComputedOnce) {
  const comm::Communicator world = comm::Communicator::world();
  Chain chain(world);
  std::vector<std::vector<Token>> prompts(3, std::vector<Token>(20, 2));
  prompts[1].push_back(3);
  prompts[2] = {2, 2, 2, 3};
  ListQueue queue(prompts, 40);
  chain.run(queue);
  chain.expect_autoregressive(queue, 3, 40);
  std::vector<Position> begins;  // of the prompts' first passes; a stage below may not have come to one
  for (const auto& [id, trace] : chain.traces) {
    for (const StepRecord& step : trace.steps) {
      if (step.kind == StepKind::prefill) begins.push_back(step.position);
    }
  }
  if (world.rank() == world.size() - 1) {
    EXPECT_EQ(begins, (std::vector<Position>{0, 20, 3}));
  }
}

TEST(StageWorker, WhatPromptsInFlightShareIsComputedOnce) {
  const comm::Communicator world = comm::Communicator::world();
  Chain chain(world);
  chain.in_flight = 4;
  std::vector<std::vector<Token>> prompts(4, std::vector<Token>(300, 2));
  for (Token last = 1; last <= 4; ++last) prompts[last - 1].push_back(last);
  ListQueue queue(prompts, 40);
  chain.run(queue);
  chain.expect_autoregressive(queue, 4, 40);
  std::map<SequenceId, Position> first;  // of the prompts' passes
  for (const auto& [id, trace] : chain.traces) {
    for (const StepRecord& step : trace.steps) {
      if (step.kind == StepKind::prefill && step.given_up == 0) first.try_emplace(id, step.position);
    }
  }
  if (world.rank() != world.size() - 1) return;
  ASSERT_EQ(first.size(), 4u);
  EXPECT_EQ(first.begin()->second, 0);
  for (auto other = std::next(first.begin()); other != first.end(); ++other)
    EXPECT_EQ(other->second, 256) << "four blocks of 64, as soon as they are there";
}

TEST(StageWorker, ADrafterThatKnowsFewerTokensDoesNotChangeTheOutput) {
  const comm::Communicator world = comm::Communicator::world();
  Chain chain(world);
  chain.drafters_know = 3;  // prompts hold tokens up to 5
  ListQueue queue(random_prompts(10, 9), 50);
  chain.run(queue);
  chain.expect_autoregressive(queue, 10, 50);
}

TEST(StageWorker, APassThatACorrectionVoidsIsCutShort) {
  const comm::Communicator world = comm::Communicator::world();
  const bool is_target = world.rank() == world.size() - 1;
  for (const int run : {0, 1, 2, 3}) {
    const int in_flight = 1 + run % 2;
    Chain chain(world, /*has_bells=*/run < 2);
    chain.models.end_rate = 0;
    chain.models.agreement.assign(world.size() - 1, 0);
    chain.in_flight = in_flight;
    chain.policy = {.kind = StepPolicy::Kind::eager};
    // A drafter is always wrong. Its first guess is ready before the target's token, which comes while it computes the
    // second one behind it, in vain.
    chain.pass = std::chrono::milliseconds(is_target ? 150 : 100);
    ListQueue queue(random_prompts(in_flight, 10), 10);
    chain.run(queue);
    chain.expect_autoregressive(queue, in_flight, 10);
    int given_up = 0;
    for (const auto& [id, trace] : chain.traces) {
      for (const StepRecord& step : trace.steps) given_up += step.given_up;
    }
    if (is_target) {
      EXPECT_EQ(given_up, 0);
    } else if (world.rank() == world.size() - 2) {
      EXPECT_GT(given_up, 0);
    }
  }
}

TEST(StageWorker, AnAbandonedSequenceLeavesNothingBehind) {
  const comm::Communicator world = comm::Communicator::world();
  Chain chain(world);
  chain.models.end_rate = 0;
  ListQueue abandoned(random_prompts(5, 4), 1000);
  abandoned.abandon_after(300);
  const SequenceId newest = chain.run(abandoned);
  if (world.rank() == world.size() - 1) {
    EXPECT_LT(abandoned.answers().size(), 5u);
  }

  // The same channel serves another chain at once: a message left over would break it.
  chain.models.end_rate = 0.01;
  ListQueue queue(random_prompts(5, 5), 50);
  EXPECT_GT(chain.run(queue, newest).value, newest.value);
  chain.expect_autoregressive(queue, 5, 50);
}

TEST(StageWorker, AStopStringEndsTheOutputBehindItsToken) {
  const comm::Communicator world = comm::Communicator::world();
  Chain chain(world);
  ListQueue queue(random_prompts(10, 6), 50);
  queue.stop_at(3);
  chain.run(queue);
  if (world.rank() != world.size() - 1) return;
  ASSERT_EQ(queue.answers().size(), 10u);
  for (const Answer& answer : queue.answers()) {
    std::vector<Token> expected = chain.models.autoregressive(queue.prompt(answer.key), 1000);
    const auto stop = std::find(expected.begin(), expected.end(), 3);
    if (stop != expected.end()) expected.erase(stop + 1, expected.end());
    EXPECT_EQ(answer.tokens, expected);
    EXPECT_EQ(answer.finish, stop != expected.end() ? FinishReason::stop_string : FinishReason::end_token);
  }
}

TEST(StageWorker, EveryStageTracesEverySequence) {
  const comm::Communicator world = comm::Communicator::world();
  Chain chain(world);
  ListQueue queue(random_prompts(6, 8), 50);
  chain.run(queue);
  ASSERT_EQ(chain.traces.size(), 6u);
  for (const auto& [id, trace] : chain.traces) {
    EXPECT_EQ(trace.stage.value, world.rank());
    EXPECT_EQ(trace.messages.empty(), world.size() == 1);
    const bool is_target = world.rank() == world.size() - 1;
    std::int64_t passes = 0;
    for (const StepRecord& step : trace.steps) {
      EXPECT_EQ(step.sequence, id);
      EXPECT_LE(step.begin, step.end);
      EXPECT_TRUE(step.given_up == 0 || (!is_target && step.appended == 0));
      passes += 1 - step.given_up;
    }
    // A stage below the target may be in the middle of a pass when the sequence ends.
    EXPECT_GE(passes, is_target ? 1 : 0);
    EXPECT_GE(passes, trace.link.passes);
    EXPECT_LE(passes, trace.link.passes + (is_target ? 0 : 1));
  }
}

}  // namespace
}  // namespace pipespec::pipeline
