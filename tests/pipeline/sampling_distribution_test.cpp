/// What a chain draws is distributed as what the target alone would draw: several tokens of several sequences together,
/// through the real models, sampler and runtime, one stage a rank.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "comm/communicator.hpp"
#include "list_queue.hpp"
#include "model/transformer.hpp"
#include "pipeline/stage_worker.hpp"
#include "support/scratch_directory.hpp"
#include "support/tiny_gguf.hpp"

namespace pipespec::pipeline {
namespace {

using decoding::Schedule;
using Table = std::vector<double>;  // [outcomes]

constexpr int vocabulary = 4;
constexpr int drawn = 3;      // tokens of a sequence
constexpr int outcomes = 64;  // vocabulary ^ drawn
constexpr int seeds = 2500;
const std::vector<std::vector<Token>> prompts = {{0}, {1, 2}, {3, 3, 0}, {2, 0, 1, 1}};

std::shared_ptr<const model::Checkpoint> tiny_checkpoint() {
  const testing::ScratchDirectory directory;
  const auto path = directory.path() / "tiny.gguf";
  testing::make_tiny_gguf({.layers = 3, .vocabulary = vocabulary, .tied = false}).file.write(path);
  return model::Checkpoint::open(path);
}

/// The number of a text of `drawn` tokens.
int outcome(std::span<const Token> tokens) {
  return std::accumulate(tokens.begin(), tokens.end(), 0,
                         [](int sum, Token token) { return sum * vocabulary + token; });
}

std::vector<double> next_token_probabilities(model::Transformer& model, std::span<const Token> text,
                                             double temperature) {
  std::vector<float> logits(text.size() * vocabulary);
  model.truncate(0, 0);
  model.logits(0, text, {logits.data(), static_cast<std::int64_t>(text.size()), vocabulary});
  std::vector<double> p;
  for (std::size_t i = logits.size() - vocabulary; i < logits.size(); ++i)
    p.push_back(std::exp(logits[i] / temperature));
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& each : p) each /= sum;
  return p;
}

/// The probability of every outcome: the product of the softmaxes along it.
Table plain_distribution(model::Transformer& model, std::vector<Token> text, double temperature, int left = drawn) {
  if (left == 0) return {1.0};
  Table table;
  const auto p = next_token_probabilities(model, text, temperature);
  for (Token token = 0; token < vocabulary; ++token) {
    text.push_back(token);
    for (const double rest : plain_distribution(model, text, temperature, left - 1)) table.push_back(p[token] * rest);
    text.pop_back();
  }
  return table;
}

/// Pearson's statistic, as a multiple of its standard deviation from its mean. Outcomes that are expected less than
/// five times are counted together.
double chi_square_z(const std::vector<int>& counts, const Table& p) {
  const double total = std::accumulate(counts.begin(), counts.end(), 0.0);
  double statistic = 0, rare_expected = 0, rare_count = 0;
  int classes = 0;
  const auto add = [&](double count, double expected) {
    statistic += (count - expected) * (count - expected) / expected;
    ++classes;
  };
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (p[i] * total >= 5) {
      add(counts[i], p[i] * total);
    } else {
      rare_expected += p[i] * total;
      rare_count += counts[i];
    }
  }
  if (rare_expected > 0) add(rare_count, rare_expected);
  return (statistic - (classes - 1)) / std::sqrt(2.0 * (classes - 1));
}

struct Drawn {
  std::vector<std::vector<Token>> outputs;  ///< [seeds * prompts], at the target
  std::int64_t accepted = 0;                ///< drafts of the stage below the target
  std::int64_t corrections = 0;
};

/// The chain {one layer, two layers, the whole model}, or as many of its last stages as there are ranks, decodes all
/// prompts with every seed.
Drawn draw(const comm::Communicator& world, Schedule schedule, double temperature, int in_flight) {
  const std::vector<std::vector<int>> layers = {{0}, {0, 2}, {0, 1, 2}};
  const bool is_target = world.rank() == world.size() - 1;
  std::vector<int> ranks(world.size()), peers;
  std::iota(ranks.begin(), ranks.end(), 0);
  std::ranges::remove_copy(ranks, std::back_inserter(peers), world.rank());
  const auto checkpoint = tiny_checkpoint();
  comm::Doorbells bells(world);
  comm::WordChannel channel(world, peers, comm::Tag::protocol, &bells);
  const RunClock clock(steady_seconds());
  Drawn drawn_tokens;
  std::mt19937 random(1);
  SequenceId newest;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    model::Transformer model(checkpoint, {.layers = layers[layers.size() - world.size() + world.rank()],
                                          .slots = in_flight,
                                          .context = 16,
                                          .sampling = {.temperature = temperature, .seed = seed}});
    ListQueue queue(prompts, drawn);
    StageParts parts;
    parts.options = {.index = {world.rank()},
                     .stages = world.size(),
                     .schedule = schedule,
                     .window = 8,
                     .max_ahead = 8,
                     .lookahead = 2,
                     .end_tokens = {}};
    parts.leaders = ranks;
    parts.channel = &channel;
    parts.clock = &clock;
    parts.model = &model;
    parts.queue = is_target ? &queue : nullptr;
    parts.sequences_in_flight = in_flight;
    parts.newest = newest;
    parts.on_poll = [&] {  // a target that is no slower than its drafters would hardly ever see a draft
      if (is_target && random() % 4 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
    };
    parts.on_trace = [&](SequenceId, const StageTrace& trace) {
      drawn_tokens.corrections += trace.link.corrections;
      drawn_tokens.accepted += std::accumulate(trace.link.accepted.begin(), trace.link.accepted.end(), std::int64_t{0});
    };
    newest = StageWorker(std::move(parts)).run();
    world.barrier();
    std::vector<std::vector<Token>> outputs(prompts.size());
    for (const Answer& answer : queue.answers()) outputs[static_cast<std::size_t>(answer.key)] = answer.tokens;
    if (is_target) std::ranges::move(outputs, std::back_inserter(drawn_tokens.outputs));
  }
  return drawn_tokens;
}

struct Setting {
  Schedule schedule;
  double temperature;  ///< the logits of a random model lie far apart
  int in_flight;
};

class SampledChain : public ::testing::TestWithParam<Setting> {};

TEST_P(SampledChain, DrawsAsTheTargetAloneDoes) {
  const comm::Communicator world = comm::Communicator::world();
  const auto [schedule, temperature, in_flight] = GetParam();
  const Drawn sample = draw(world, schedule, temperature, in_flight);
  if (world.rank() != world.size() - 1) return;
  ASSERT_EQ(sample.outputs.size(), seeds * prompts.size());
  if (world.size() > 1) {
    EXPECT_GT(sample.accepted, seeds / 4) << "the chain must accept drafts, or it is none";
    EXPECT_GT(sample.corrections, seeds / 4) << "and reject some";
    std::printf("%lld drafts accepted, %lld corrections\n", static_cast<long long>(sample.accepted),
                static_cast<long long>(sample.corrections));
  }

  model::Transformer plain(tiny_checkpoint(), {.context = 16});
  std::vector<Table> first;  // [prompts], of the first token
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    std::vector<int> counts(outcomes);
    for (std::size_t s = 0; s < seeds; ++s) ++counts[outcome(sample.outputs[s * prompts.size() + i])];
    const double z = chi_square_z(counts, plain_distribution(plain, prompts[i], temperature));
    EXPECT_LT(std::abs(z), 4) << "three tokens of prompt " << i;
    std::printf("prompt %zu: chi-square %+.2f standard deviations from its mean\n", i, z);
    first.push_back(next_token_probabilities(plain, prompts[i], temperature));
  }
  for (std::size_t i = 0; i + 1 < prompts.size(); ++i) {  // sequences do not share noise
    std::vector<int> counts(vocabulary * vocabulary);
    for (std::size_t s = 0; s < seeds; ++s) {
      const auto* outputs = &sample.outputs[s * prompts.size() + i];
      ++counts[outputs[0][0] * vocabulary + outputs[1][0]];
    }
    Table joint;
    for (const double a : first[i])
      for (const double b : first[i + 1]) joint.push_back(a * b);
    EXPECT_LT(std::abs(chi_square_z(counts, joint)), 4) << "the first tokens of prompts " << i << " and " << i + 1;
  }
}

INSTANTIATE_TEST_SUITE_P(Settings, SampledChain,
                         ::testing::Values(Setting{Schedule::pipelined, 4, 1}, Setting{Schedule::pipelined, 10, 4},
                                           Setting{Schedule::synchronous, 10, 1}));

}  // namespace
}  // namespace pipespec::pipeline
