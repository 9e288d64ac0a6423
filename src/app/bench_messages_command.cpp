#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/commands.hpp"
#include "app/exit_status.hpp"
#include "comm/backoff.hpp"
#include "comm/clock_offset.hpp"
#include "comm/session.hpp"
#include "comm/word_channel.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/precise_sleep.hpp"
#include "model/synthetic_model.hpp"
#include "pipeline/stage_worker.hpp"
#include "pipeline/wire.hpp"

namespace pipespec::app {

namespace {

using Json = nlohmann::ordered_json;

/// Messages between two neighbours: how long from the end of the sender's pass until the receiver has the tokens.
struct Latency {
  int from = 0, to = 0;
  int tokens = 0;      ///< carried
  double idle_ms = 0;  ///< how long the receiver has been waiting
  std::size_t messages = 0;
  double median_us = 0, p99_us = 0;
};

/// What a chain of synthetic stages, one a rank, has sent.
struct Traffic {
  std::int64_t tokens = 0;  ///< committed
  std::int64_t messages = 0;
};

// ------------------------------------------------------------------------------------------------------ latency

decoding::Message message(int number, int tokens) {
  return decoding::Tokens{{1}, 0, number, 0, std::vector<Token>(tokens, number)};
}

/// `count` messages, each after a pass of `idle` seconds; returns when each pass had ended.
std::vector<double> send_messages(comm::WordChannel& channel, int peer, int tokens, double idle, int count) {
  std::vector<double> sent;
  for (int i = 0; i < count; ++i) {
    sleep_until(steady_seconds() + idle);
    sent.push_back(steady_seconds());
    channel.send(peer, pipeline::encode(message(i, tokens)));
  }
  return sent;
}

/// Waits for them as a stage does; returns when each was there.
std::vector<double> receive_messages(comm::WordChannel& channel, int peer, int tokens, int count) {
  std::vector<double> received;
  comm::Backoff backoff(channel.bells());
  while (std::ssize(received) < count) {
    const auto words = channel.receive(peer);
    if (!words) {
      backoff.pause();
      continue;
    }
    const decoding::Message arrived = pipeline::decode(*words);
    received.push_back(steady_seconds());
    backoff.reset();
    expect(arrived == message(static_cast<int>(received.size()) - 1, tokens), "messages arrive as they were sent");
  }
  return received;
}

/// Collective. One kind of message from rank `from` to rank `to`, the others waiting.
Latency measure(const comm::Communicator& world, comm::WordChannel& channel, Latency what, int count) {
  std::vector<double> times(count);
  if (world.rank() == what.from) times = send_messages(channel, what.to, what.tokens, 1e-3 * what.idle_ms, count);
  if (world.rank() == what.to) times = receive_messages(channel, what.from, what.tokens, count);
  while (!channel.flush()) continue;
  world.barrier();
  const bool is_one_clock = [&] {
    const auto hosts = world.gather_all(comm::host_name());
    return hosts[what.from] == hosts[what.to];
  }();
  const double offset = is_one_clock ? 0 : comm::clock_offset(world);
  std::vector<double> latencies;
  for (const double time : times) {
    const std::vector<double> all = world.gather_all(time - offset);
    latencies.push_back(1e6 * (all[what.to] - all[what.from]));
  }
  std::sort(latencies.begin(), latencies.end());
  what.messages = latencies.size();
  what.median_us = latencies[latencies.size() / 2];
  what.p99_us = latencies[std::min(latencies.size() - 1, static_cast<std::size_t>(std::ceil(0.99 * latencies.size())))];
  return what;
}

// ------------------------------------------------------------------------------------------------------ traffic

/// One prompt, answered to its limit.
class OnePrompt final : public pipeline::SampleQueue {
 public:
  explicit OnePrompt(int new_tokens) : new_tokens_(new_tokens) {}

  std::optional<pipeline::Request> next() override {
    if (std::exchange(is_handed_out_, true)) return std::nullopt;
    return pipeline::Request{.key = 0, .prompt = {1}, .max_length = 1 + new_tokens_};
  }
  bool is_exhausted() override { return is_handed_out_; }
  bool should_abandon() override { return false; }
  std::optional<std::size_t> commit(std::int64_t, std::span<const Token>) override { return std::nullopt; }
  void answered(pipeline::Answer) override {}

 private:
  Position new_tokens_;
  bool is_handed_out_ = false;
};

/// Collective. The target takes 8 ms a pass and every stage half the time of the one above.
Traffic run_chain(const comm::Communicator& world, comm::WordChannel& channel, int new_tokens) {
  const int stages = world.size();
  const SyntheticText text(1000, 0, std::vector<SyntheticText::Voice>(stages, {0.85, 1}));
  const double pass = std::ldexp(8e-3, world.rank() + 1 - stages);
  model::SyntheticModel model(text, world.rank(), {.pass = pass, .row = pass / 50}, 1, new_tokens + 1);
  const RunClock clock(steady_seconds());
  OnePrompt queue(new_tokens);
  std::int64_t sent = 0;
  pipeline::StageParts parts;
  parts.options = {.index = {world.rank()}, .stages = stages, .end_tokens = {}};
  parts.leaders.resize(stages);
  std::iota(parts.leaders.begin(), parts.leaders.end(), 0);
  parts.channel = &channel;
  parts.clock = &clock;
  parts.model = &model;
  parts.queue = &queue;
  parts.on_trace = [&sent](SequenceId, const StageTrace& trace) {
    sent += std::ranges::count(trace.messages, Direction::sent, &MessageRecord::direction);
  };
  pipeline::StageWorker(std::move(parts)).run();
  const std::vector<std::int64_t> of_ranks = world.gather_all(sent);
  return {new_tokens, std::accumulate(of_ranks.begin(), of_ranks.end(), std::int64_t{0})};
}

// ------------------------------------------------------------------------------------------------------- report

void print_text(const std::vector<Latency>& latencies, const Traffic& traffic, int stages) {
  fmt::print("from the end of a pass until the next stage has its tokens:\n");
  fmt::print("{:>9}{:>9}{:>13}{:>12}{:>11}{:>9}\n", "ranks", "tokens", "waiting ms", "median us", "p99 us", "messages");
  for (const Latency& l : latencies) {
    fmt::print("{:>9}{:>9}{:>13}{:>12.1f}{:>11.1f}{:>9}\n", fmt::format("{} > {}", l.from, l.to), l.tokens, l.idle_ms,
               l.median_us, l.p99_us, l.messages);
  }
  fmt::print("\na chain of {} synthetic stages: {} messages for {} tokens, {:.2f} a token\n", stages, traffic.messages,
             traffic.tokens, static_cast<double>(traffic.messages) / traffic.tokens);
}

void print_json(const std::vector<Latency>& latencies, const Traffic& traffic, const std::vector<std::string>& hosts) {
  Json json;
  json["hosts"] = hosts;
  json["mpi"] = comm::mpi_library();
  json["latency"] = Json::array();
  for (const Latency& l : latencies) {
    json["latency"].push_back({{"from", l.from},
                               {"to", l.to},
                               {"tokens", l.tokens},
                               {"waiting_ms", l.idle_ms},
                               {"messages", l.messages},
                               {"median_us", l.median_us},
                               {"p99_us", l.p99_us}});
  }
  json["chain"] = {{"stages", hosts.size()},
                   {"tokens", traffic.tokens},
                   {"messages", traffic.messages},
                   {"messages_per_token", static_cast<double>(traffic.messages) / traffic.tokens}};
  fmt::print("{}\n", json.dump(1));
}

}  // namespace

int bench_messages_command(const comm::Communicator& world, const BenchMessagesArguments& arguments) {
  validate(world.size() > 1, "one rank (messages go between two): mpirun -n 2 pipespec bench messages");
  std::vector<int> peers(world.size());
  std::iota(peers.begin(), peers.end(), 0);
  peers.erase(peers.begin() + world.rank());
  comm::Doorbells bells(world);
  comm::WordChannel channel(world, peers, comm::Tag::protocol, &bells);
  std::vector<Latency> latencies;
  for (int rank = 0; rank + 1 < world.size(); ++rank) {
    for (const double idle_ms : arguments.idle_ms) {
      for (const int tokens : arguments.tokens) {
        latencies.push_back(measure(world, channel, {rank, rank + 1, tokens, idle_ms, 0, 0, 0}, arguments.repetitions));
      }
    }
  }
  const Traffic traffic = run_chain(world, channel, arguments.run_tokens);
  const std::vector<std::string> hosts = world.gather_all(comm::host_name());
  if (world.rank() != 0) return exit_done;
  if (arguments.is_json) {
    print_json(latencies, traffic, hosts);
  } else {
    print_text(latencies, traffic, world.size());
  }
  return exit_done;
}

}  // namespace pipespec::app
