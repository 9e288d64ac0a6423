#include "pipeline/shared_model.hpp"

#include "comm/backoff.hpp"
#include "core/error.hpp"

namespace pipespec::pipeline {

using model::Segment;

namespace {

// A command is `segments`, then for each: slot, begin, rows, outputs, sequence (low, high), length of recent, tokens …,
// recent …; no segments: the end. Or it is `to_share`, from, to, length.
constexpr std::size_t segment_words = 7;
constexpr std::int32_t to_share = -1;

std::vector<std::int32_t> encode_pass(std::span<const Segment> segments) {
  std::vector<std::int32_t> words = {static_cast<std::int32_t>(segments.size())};
  for (const Segment& s : segments) {
    words.insert(words.end(), {s.slot, s.begin, static_cast<std::int32_t>(s.tokens.size()), s.outputs,
                               static_cast<std::int32_t>(s.sequence), static_cast<std::int32_t>(s.sequence >> 32),
                               static_cast<std::int32_t>(s.recent.size())});
    words.insert(words.end(), s.tokens.begin(), s.tokens.end());
    words.insert(words.end(), s.recent.begin(), s.recent.end());
  }
  return words;
}

/// The segments' tokens refer to `words`.
std::vector<Segment> decode_pass(std::span<const std::int32_t> words) {
  std::vector<Segment> segments;
  std::size_t at = 1;
  for (int i = 0; i < words[0]; ++i) {
    const auto rows = static_cast<std::size_t>(words[at + 2]), recent = static_cast<std::size_t>(words[at + 6]);
    const std::uint64_t sequence =
        static_cast<std::uint32_t>(words[at + 4]) | std::uint64_t{static_cast<std::uint32_t>(words[at + 5])} << 32;
    const auto tokens = words.subspan(at + segment_words, rows + recent);
    segments.push_back({words[at], words[at + 1], tokens.first(rows), words[at + 3], sequence, tokens.subspan(rows)});
    at += segment_words + tokens.size();
  }
  expect(at == words.size(), "a command is made of whole segments");
  return segments;
}

}  // namespace

void SharedModel::tell_peers(std::span<const std::int32_t> words) {
  for (const int peer : peers_) channel_.send(peer, words);
}

bool SharedModel::forward(std::span<const Segment> segments, std::span<Token> next, const model::KeepGoing&,
                          std::span<float> probabilities) {
  tell_peers(encode_pass(segments));
  return own_.forward(segments, next, {}, probabilities);
}

Position SharedModel::share(model::Slot from, model::Slot to, Position length) {
  const std::int32_t words[] = {to_share, from, to, length};
  tell_peers(words);
  return own_.share(from, to, length);
}

void SharedModel::release_peers() {
  tell_peers(encode_pass({}));
  for (comm::Backoff backoff; !channel_.flush(); backoff.pause()) continue;
}

void serve_shared_model(model::LanguageModel& own_shard, comm::WordChannel& channel, int leader,
                        const comm::OnPoll& on_poll) {
  std::vector<Token> next;
  for (comm::Backoff backoff;;) {
    if (on_poll) on_poll();
    const auto words = channel.receive(leader);
    if (!words) {
      backoff.pause();
      continue;
    }
    backoff.reset();
    if (words->front() == to_share) {
      own_shard.share((*words)[1], (*words)[2], (*words)[3]);
      continue;
    }
    const std::vector<Segment> segments = decode_pass(*words);
    if (segments.empty()) return;
    std::size_t outputs = 0;
    for (const Segment& s : segments) {
      own_shard.truncate(s.slot, s.begin);
      outputs += s.outputs;
    }
    next.resize(outputs);
    own_shard.forward(segments, next);
  }
}

}  // namespace pipespec::pipeline
