#include "comm/word_channel.hpp"

#include <gtest/gtest.h>

#include <numeric>
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

TEST(WordChannel, MessagesOfEveryLengthArriveWholeAndInOrder) {
  const Communicator world = Communicator::world();
  constexpr int messages = 200;
  WordChannel channel(world, others(world), Tag::protocol);
  for (int i = 0; i < messages; ++i) {
    for (const int peer : others(world)) channel.send(peer, message(world.rank(), peer, i));
  }
  for (int i = 0; i < messages; ++i) {
    for (const int peer : others(world)) ASSERT_EQ(await(channel, peer), message(peer, world.rank(), i)) << i;
  }
  flush(channel);
  world.barrier();
}

TEST(WordChannel, AReceiverThatDoesNotLookDoesNotHoldUpASender) {
  const Communicator world = Communicator::world();
  constexpr int messages = 1000;
  WordChannel channel(world, others(world), Tag::protocol);
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

TEST(WordChannel, TheSendersBufferMayChangeAtOnce) {
  const Communicator world = Communicator::world();
  WordChannel channel(world, others(world), Tag::protocol);
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

TEST(WordChannel, TagsKeepTwoChannelsApart) {
  const Communicator world = Communicator::world();
  WordChannel one(world, others(world), Tag::protocol);
  WordChannel two(world, others(world), Tag::stage_command);
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

}  // namespace
}  // namespace pipespec::comm
