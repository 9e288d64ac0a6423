/// A tensor-parallel stage over MPI: the leader tells its peers what to run.
#include "pipeline/shared_model.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>
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

TEST(SharedModel, PeersComputeWhatTheLeaderSaysAndAgreeWithThemselves) {
  const comm::Communicator world = comm::Communicator::world();
  const std::filesystem::path path = write_model(world);
  comm::MpiGroup group(world);
  const auto checkpoint = model::Checkpoint::open(path);
  model::Transformer shard(
      checkpoint, {.weights = model::WeightFormat::native, .layers = {}, .slots = 1, .context = 64, .threads = 1},
      &group);
  std::vector<int> peers(world.size() - 1);
  std::iota(peers.begin(), peers.end(), 1);
  if (world.rank() == 0) {
    comm::WordChannel channel(world, peers, comm::Tag::stage_command);
    SharedModel shared(shard, channel, peers);
    const std::vector<Token> first = decode(shared);
    shared.truncate(0, 0);
    EXPECT_EQ(decode(shared), first);
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
