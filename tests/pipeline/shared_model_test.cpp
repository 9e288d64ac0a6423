/// A tensor-parallel stage over MPI: the leader tells its peers what to run.
#include "pipeline/shared_model.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>
#include <utility>
#include <vector>

#include "comm/mpi_group.hpp"
#include "model/transformer.hpp"
#include "support/tiny_gguf.hpp"

namespace pipespec::pipeline {
namespace {

std::filesystem::path write_model(const comm::Communicator& world) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("shared_model_test." + std::to_string(world.size()) + ".gguf");
  if (world.rank() == 0) {
    testing::TinyModel tiny;
    tiny.heads = 6;
    tiny.kv_heads = 3;
    tiny.type = io::GgmlType::q8_0;
    tiny.head_dim = 32;
    testing::make_tiny_gguf(tiny).file.write(path);
  }
  world.barrier();
  return path;
}

/// Decodes greedily with random-looking chunks and a rollback on the way; returns all tokens.
std::vector<Token> decode(model::LanguageModel& model) {
  std::vector<Token> text = {1, 2, 3, 4, 5};
  Position cached = 0;
  for (int step = 0; step < 30; ++step) {
    if (step % 7 == 6) cached -= std::min(cached, 3);  // computed again
    model.truncate(0, cached);
    Token next = 0;
    const model::Segment rest{0, cached, std::span(text).subspan(cached), 1};
    const bool is_done = model.forward({&rest, 1}, {&next, 1}, [] { return false; });
    EXPECT_TRUE(is_done) << "a shared pass runs to its end";
    cached = static_cast<Position>(text.size());
    text.push_back(next);
  }
  return text;
}

/// The token after a text of 70, and after the same text in another slot that goes on from what the first holds of it.
std::pair<Token, Token> next_in_two_slots(model::LanguageModel& model) {
  std::vector<Token> text(70);
  std::iota(text.begin(), text.end(), 1);
  Token first = 0, second = 0;
  const model::Segment whole{0, 0, text, 1};
  model.truncate(0, 0);
  model.forward({&whole, 1}, {&first, 1});
  model.truncate(0, 66);  // the peers hear of it with the next pass
  EXPECT_EQ(model.share(0, 1, 66), 64);
  const model::Segment rest{1, 64, std::span(text).subspan(64), 1};
  model.forward({&rest, 1}, {&second, 1});
  return {first, second};
}

TEST(SharedModel, PeersComputeWhatTheLeaderSaysAndAgreeWithThemselves) {
  const comm::Communicator world = comm::Communicator::world();
  const std::filesystem::path path = write_model(world);
  comm::MpiGroup group(world);
  const auto checkpoint = model::Checkpoint::open(path);
  model::Transformer shard(
      checkpoint, {.weights = model::WeightFormat::native, .layers = {}, .slots = 2, .context = 128, .threads = 1},
      &group);
  std::vector<int> peers(world.size() - 1);
  std::iota(peers.begin(), peers.end(), 1);
  if (world.rank() == 0) {
    comm::WordChannel channel(world, peers, comm::Tag::stage_command);
    SharedModel shared(shard, channel, peers);
    const std::vector<Token> first = decode(shared);
    shared.truncate(0, 0);
    EXPECT_EQ(decode(shared), first);
    const auto [whole, rest] = next_in_two_slots(shared);
    EXPECT_EQ(whole, rest);
    shared.release_peers();
    std::filesystem::remove(path);
  } else {
    comm::WordChannel channel(world, {0}, comm::Tag::stage_command);
    serve_shared_model(shard, channel, 0);
  }
  world.barrier();
}

}  // namespace
}  // namespace pipespec::pipeline
