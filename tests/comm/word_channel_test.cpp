#include "comm/word_channel.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <optional>
#include <random>
#include <vector>

#include "comm/backoff.hpp"
#include "comm/communicator.hpp"

namespace pipespec::comm {
namespace {

using Words = std::vector<std::int32_t>;

Words await(WordChannel& channel, int peer) {
  for (Backoff backoff;; backoff.pause()) {
    channel.flush();
    if (auto words = channel.receive(peer)) return *words;
  }
}

void flush(WordChannel& channel) {
  for (Backoff backoff; !channel.flush(); backoff.pause()) continue;
}

std::vector<int> others(const Communicator& world) {
  std::vector<int> peers;
  for (int r = 0; r < world.size(); ++r) {
    if (r != world.rank()) peers.push_back(r);
  }
  return peers;
}

/// The i-th message from one rank to another: of any length, from nothing to many fragments, and none like another.
Words message(int from, int to, int i) {
  std::mt19937 random(static_cast<unsigned>(from * 1000003 + to * 1009 + i));
  Words words(random() % 4 == 0 ? random() % 2000 : random() % 20);
  for (std::int32_t& word : words) word = static_cast<std::int32_t>(random());
  return words;
}

/// The parameter: with doorbells.
class WordChannelTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) bells_.emplace(world);
  }
  Doorbells* bells() { return bells_ ? &*bells_ : nullptr; }

  const Communicator world = Communicator::world();

 private:
  std::optional<Doorbells> bells_;
};

TEST_P(WordChannelTest, MessagesOfEveryLengthArriveWholeAndInOrder) {
  constexpr int messages = 200;
  WordChannel channel(world, others(world), Tag::protocol, bells());
  for (int i = 0; i < messages; ++i) {
    for (const int peer : others(world)) channel.send(peer, message(world.rank(), peer, i));
  }
  for (int i = 0; i < messages; ++i) {
    for (const int peer : others(world)) ASSERT_EQ(await(channel, peer), message(peer, world.rank(), i)) << i;
  }
  flush(channel);
  world.barrier();
}

TEST_P(WordChannelTest, AReceiverThatDoesNotLookDoesNotHoldUpASender) {
  constexpr int messages = 1000;
  WordChannel channel(world, others(world), Tag::protocol, bells());
  for (int i = 0; i < messages; ++i) {
    for (const int peer : others(world)) channel.send(peer, Words{i});
  }
  world.barrier();  // every rank has sent everything, and none has received anything
  for (const int peer : others(world)) {
    for (int i = 0; i < messages; ++i) ASSERT_EQ(await(channel, peer), Words{i});
  }
  flush(channel);
  world.barrier();
}

TEST_P(WordChannelTest, TheSendersBufferMayChangeAtOnce) {
  WordChannel channel(world, others(world), Tag::protocol, bells());
  Words words(1000);
  for (int i = 0; i < 20; ++i) {
    std::iota(words.begin(), words.end(), i);
    for (const int peer : others(world)) channel.send(peer, words);
    std::fill(words.begin(), words.end(), -1);
  }
  for (int i = 0; i < 20; ++i) {
    std::iota(words.begin(), words.end(), i);
    for (const int peer : others(world)) ASSERT_EQ(await(channel, peer), words);
  }
  flush(channel);
  world.barrier();
}

TEST_P(WordChannelTest, TagsKeepTwoChannelsApart) {
  WordChannel one(world, others(world), Tag::protocol, bells());
  WordChannel two(world, others(world), Tag::stage_command, bells());
  for (const int peer : others(world)) {
    one.send(peer, Words{1});
    two.send(peer, Words{2});
  }
  for (const int peer : others(world)) {
    EXPECT_EQ(await(two, peer), Words{2});
    EXPECT_EQ(await(one, peer), Words{1});
    EXPECT_FALSE(one.receive(peer));
  }
  flush(one);
  flush(two);
  world.barrier();
}

TEST_P(WordChannelTest, OnlyBellsThatReachAllPeersTellThatThereIsNoNews) {
  WordChannel channel(world, others(world), Tag::protocol, bells());
  const bool knows = others(world).empty() || (bells() != nullptr && bells()->reaches(world.rank()));
  EXPECT_EQ(channel.knows_news(), knows);
  EXPECT_EQ(channel.may_have_news(), !knows);
  world.barrier();
  for (const int peer : others(world)) channel.send(peer, Words{1});
  world.barrier();
  EXPECT_EQ(channel.may_have_news(), !others(world).empty());
  for (const int peer : others(world)) EXPECT_EQ(await(channel, peer), Words{1});
  EXPECT_EQ(channel.may_have_news(), !knows);
  flush(channel);
  world.barrier();
}

INSTANTIATE_TEST_SUITE_P(Bells, WordChannelTest, ::testing::Bool(),
                         [](const auto& instance) { return instance.param ? "with" : "without"; });

}  // namespace
}  // namespace pipespec::comm
