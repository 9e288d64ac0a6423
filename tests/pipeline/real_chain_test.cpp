/// Five stages with real weights on one machine, under random delays: what a run of this application is, at its widest.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "comm/communicator.hpp"
#include "decoding/drafter.hpp"
#include "list_queue.hpp"
#include "model/transformer.hpp"
#include "pipeline/stage_worker.hpp"
#include "text/tokenizer.hpp"

namespace pipespec::pipeline {
namespace {

const std::string smollm2 = PIPESPEC_SOURCE_DIR "/models/SmolLM2-135M-Instruct.Q4_1.gguf";
const std::string draft_15m = PIPESPEC_SOURCE_DIR "/datasets/smollm2-draft-15m-q4_0.gguf";

/// The first and the last `count` / 2 of 30 layers.
std::vector<int> outer_layers(int count) {
  std::vector<int> layers;
  for (int layer = 0; layer < 30; ++layer) {
    if (layer < count / 2 || layer >= 30 - count / 2) layers.push_back(layer);
  }
  return layers;
}

std::unique_ptr<model::Transformer> load(int stage) {
  model::ModelOptions options;
  options.threads = 1;
  options.context = 128;
  if (stage == 2) options.layers = outer_layers(12);
  if (stage == 3) options.layers = outer_layers(20);
  return std::make_unique<model::Transformer>(model::Checkpoint::open(stage == 1 ? draft_15m : smollm2), options);
}

std::vector<Token> greedy(model::LanguageModel& model, std::vector<Token> text, Position count) {
  std::vector<Token> output;
  std::vector<Token> next(1);
  model.truncate(0, 0);
  while (std::ssize(output) < count) {
    const model::Segment segment{0, model.length(0), text, 1};
    model.forward({&segment, 1}, next);
    output.push_back(next[0]);
    text = next;
  }
  return output;
}

// {prompt_lookup, 15M, 12 layers, 20 layers, full}
TEST(RealChain, TwoHundredRunsOfFiveStagesUnderRandomDelaysGiveTheTargetsOwnText) {
  if (!std::filesystem::exists(smollm2)) GTEST_SKIP() << smollm2 << " is not there: jobs/get_model.sh gets it";
  const comm::Communicator world = comm::Communicator::world();
  ASSERT_EQ(world.size(), 5);
  constexpr Position new_tokens = 16;
  const std::vector<Token> prompt =
      text::load_tokenizer(smollm2)->encode("for i in range(10):\n    print(i)\nfor i in range(10):\n");
  decoding::PromptLookup lookup({});
  const std::unique_ptr<model::Transformer> model = world.rank() == 0 ? nullptr : load(world.rank());
  const bool is_target = world.rank() == 4;
  const std::vector<Token> expected = is_target ? greedy(*model, prompt, new_tokens) : std::vector<Token>();

  std::vector<int> peers;
  for (int rank = 0; rank < 5; ++rank) {
    if (rank != world.rank()) peers.push_back(rank);
  }
  comm::Doorbells bells(world);
  comm::WordChannel channel(world, peers, comm::Tag::protocol, &bells);
  const RunClock clock(steady_seconds());
  std::mt19937 random(static_cast<unsigned>(world.rank()));
  SequenceId newest;
  for (int run = 0; run < 200; ++run) {
    ListQueue queue({prompt}, new_tokens);
    StageParts parts;
    parts.options = {.index = {world.rank()},
                     .stages = 5,
                     .window = 8,
                     .max_ahead = 24,
                     .has_model = world.rank() > 0,
                     .end_tokens = {}};
    parts.leaders = {0, 1, 2, 3, 4};
    parts.channel = &channel;
    parts.clock = &clock;
    parts.model = model.get();
    parts.drafter = world.rank() == 0 ? &lookup : nullptr;
    parts.queue = is_target ? &queue : nullptr;
    parts.newest = newest;
    parts.checks_invariants = true;
    parts.on_poll = [&random] {
      if (random() % 8 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
    };
    newest = StageWorker(std::move(parts)).run();
    world.barrier();
    if (!is_target) continue;
    ASSERT_EQ(queue.answers().size(), 1U) << "in run " << run;
    EXPECT_EQ(queue.answers()[0].tokens, expected) << "in run " << run;
  }
}

}  // namespace
}  // namespace pipespec::pipeline
