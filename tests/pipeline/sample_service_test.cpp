/// Replicas of a chain of synthetic stages on one queue: a rank a stage; one rank is one replica, more are two.
#include "pipeline/sample_service.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/topology.hpp"
#include "core/clock.hpp"
#include "core/synthetic_text.hpp"
#include "model/synthetic_model.hpp"
#include "pipeline/stage_worker.hpp"

namespace pipespec::pipeline {
namespace {

constexpr Position new_tokens = 40;

/// Sample n is n + 1 times the token n + 1.
std::vector<Token> prompt(std::int32_t number) {
  return std::vector<Token>(static_cast<std::size_t>(number) + 1, number + 1);
}

/// What a replica's target is given.
class ServedQueue final : public SampleQueue {
 public:
  explicit ServedQueue(SampleClient& samples) : samples_(samples) {}

  std::optional<Request> next() override {
    const auto number = is_tired() ? std::nullopt : samples_.next();
    if (!number) return std::nullopt;
    return Request{.key = *number, .prompt = prompt(*number), .max_length = *number + 1 + new_tokens};
  }
  bool is_exhausted() override { return samples_.is_over() || is_tired(); }
  bool should_abandon() override { return samples_.is_abandoned(); }
  std::optional<std::size_t> commit(std::int64_t, std::span<const Token> tokens) override {
    samples_.add_tokens(std::ssize(tokens));
    return std::nullopt;
  }
  void answered(Answer answer) override {
    samples_.done(static_cast<std::int32_t>(answer.key));
    answers_[answer.key] = std::move(answer.tokens);
  }

  /// Begins nothing after so many answers.
  void tire_after(std::size_t answers) { most_ = answers; }
  const std::map<std::int64_t, std::vector<Token>>& answers() const { return answers_; }

 private:
  bool is_tired() const { return answers_.size() >= most_; }

  SampleClient& samples_;
  std::size_t most_ = 1000;
  std::map<std::int64_t, std::vector<Token>> answers_;
};

class Job {
 public:
  Job() : topology_(std::vector<int>(world_.size() > 1 ? world_.size() / 2 : 1, 1), world_.size() > 1 ? 2 : 1) {
    std::vector<int> peers, targets;
    for (int stage = 0; stage < topology_.stages(); ++stage) {
      leaders_.push_back(topology_.leader({stage}, place().replica));
      if (stage != place().stage.value) peers.push_back(leaders_.back());
    }
    protocol_.emplace(world_, peers, comm::Tag::protocol);
    for (int replica = 0; replica < topology_.replicas(); ++replica)
      targets.push_back(topology_.target_leader(replica));
    if (is_target()) samples_.emplace(world_, targets.front(), targets);
  }

  /// The receives of these channels would take the messages of the next job's, so all ranks withdraw them first.
  ~Job() {
    protocol_.reset();
    samples_.reset();
    world_.barrier();
  }

  comm::Place place() const { return topology_.place(world_.rank()); }
  int replicas() const { return topology_.replicas(); }
  bool is_target() const { return place().stage.value == topology_.stages() - 1; }
  bool is_head() const { return world_.rank() == topology_.target_leader(); }

  /// Decodes samples 0 … count-1. `on_sample` is called at the head when one is done.
  void run(int count, int in_flight, std::size_t tire_after = 1000,
           const std::function<void(SampleServer&)>& on_sample = {}) {
    std::optional<SampleServer> server;
    std::optional<SampleClient> client;
    std::optional<ServedQueue> queue;
    answers_.clear();
    tokens_ = 0;
    if (is_head()) {
      std::vector<Dispatcher::Sample> samples;
      for (int i = 0; i < count; ++i) samples.push_back({i, i + 1 + new_tokens});
      server.emplace(*samples_, Dispatcher(samples, replicas(), in_flight),
                     SampleServer::Observer{.on_tokens = [this](std::int64_t tokens) { tokens_ += tokens; },
                                            .on_sample =
                                                [&] {
                                                  if (on_sample) on_sample(*server);
                                                }});
    }
    if (is_target()) {
      client.emplace(*samples_);
      queue.emplace(*client);
      queue->tire_after(tire_after);
    }
    const auto poll = [&] {
      if (server) server->poll();
      if (client) client->poll();
    };
    decode(queue ? &*queue : nullptr, in_flight, poll);
    if (client) client->leave(poll);
    if (server) server->wait_until_closed(poll);
    world_.barrier();
    newest_.value = static_cast<std::int32_t>(std::ranges::max(world_.gather_all(std::int64_t{newest_.value})));
    if (queue) answers_ = queue->answers();
  }

  /// Times that each sample was answered, by all replicas.
  std::vector<std::int64_t> times_answered(int count) const {
    std::vector<std::int64_t> times;
    for (int i = 0; i < count; ++i) {
      const std::vector<std::int64_t> all = world_.gather_all(static_cast<std::int64_t>(answers_.count(i)));
      times.push_back(std::accumulate(all.begin(), all.end(), std::int64_t{0}));
    }
    return times;
  }

  void expect_the_targets_own() const {
    for (const auto& [number, tokens] : answers_) {
      std::vector<Token> expected;
      SyntheticText::Prefix prefix = 0;
      for (const Token token : prompt(static_cast<std::int32_t>(number))) prefix = SyntheticText::extend(prefix, token);
      while (std::ssize(expected) < new_tokens) {
        expected.push_back(text_.next(topology_.stages() - 1, prefix));
        prefix = SyntheticText::extend(prefix, expected.back());
      }
      EXPECT_EQ(tokens, expected) << number;
    }
  }

  std::size_t answered_here() const { return answers_.size(); }
  std::int64_t tokens() const { return tokens_; }  ///< that the head has heard of

 private:
  void decode(SampleQueue* queue, int in_flight, const comm::OnPoll& on_poll) {
    model::SyntheticModel model(text_, place().stage.value, {.pass = 1e-4, .row = 0}, in_flight, 100);
    StageParts parts;
    parts.options = {.index = place().stage, .stages = topology_.stages(), .end_tokens = {}};
    parts.leaders = leaders_;
    parts.channel = &*protocol_;
    parts.clock = &clock_;
    parts.model = &model;
    parts.queue = queue;
    parts.sequences_in_flight = in_flight;
    parts.newest = newest_;
    parts.checks_invariants = true;
    parts.on_poll = on_poll;
    newest_ = StageWorker(std::move(parts)).run();
  }

  comm::Communicator world_ = comm::Communicator::world();
  comm::Topology topology_;
  std::vector<int> leaders_;
  std::optional<comm::WordChannel> protocol_;
  std::optional<SampleChannels> samples_;
  RunClock clock_{steady_seconds()};
  SyntheticText text_{1000, 0, {{0.8, 1}, {0.8, 2}}};
  SequenceId newest_;
  std::map<std::int64_t, std::vector<Token>> answers_;
  std::int64_t tokens_ = 0;
};

TEST(Replicas, DecodeEverySampleOnceAsTheTargetWouldAlone) {
  Job job;
  for (const int in_flight : {1, 4, 1}) {  // one after the other on the same channels
    job.run(20, in_flight);
    EXPECT_EQ(job.times_answered(20), std::vector<std::int64_t>(20, 1));
    job.expect_the_targets_own();
    EXPECT_EQ(job.answered_here() > 0, job.is_target()) << "every replica is given something";
    EXPECT_EQ(job.tokens(), job.is_head() ? 20 * new_tokens : 0);
  }
}

TEST(Replicas, EndAtOnceWhenThereIsNothing) {
  Job job;
  job.run(0, 2);
  EXPECT_EQ(job.answered_here(), 0u);
}

TEST(Replicas, DecodeWhatOneThatLeavesHadBeenGiven) {
  Job job;
  const bool is_tired = job.replicas() > 1 && job.place().replica == 1;
  job.run(20, 2, is_tired ? 1 : 1000);
  EXPECT_EQ(job.times_answered(20), std::vector<std::int64_t>(20, 1));
  job.expect_the_targets_own();
}

TEST(Replicas, DropWhatIsInFlightWhenAskedToAndGoOnWithAnotherQueue) {
  Job job;
  int done = 0;
  job.run(40, 2, 1000, [&done](SampleServer& server) {
    if (++done == 3) server.abandon();
  });
  const std::vector<std::int64_t> times = job.times_answered(40);
  EXPECT_LT(std::ranges::count(times, 1), 40);
  EXPECT_EQ(std::ranges::count(times, 2), 0);
  job.run(10, 2);
  EXPECT_EQ(job.times_answered(10), std::vector<std::int64_t>(10, 1));
  job.expect_the_targets_own();
}

TEST(Replicas, FinishWhatTheyHaveWhenNoMoreIsHandedOut) {
  Job job;
  int done = 0;
  job.run(40, 2, 1000, [&done](SampleServer& server) {
    ++done;
    server.finish();
  });
  const std::vector<std::int64_t> times = job.times_answered(40);
  EXPECT_EQ(std::ranges::count(times, 1), 3 * job.replicas());  // two in flight and one ahead
  EXPECT_EQ(done, job.is_head() ? 3 * job.replicas() : 0);
}

}  // namespace
}  // namespace pipespec::pipeline
