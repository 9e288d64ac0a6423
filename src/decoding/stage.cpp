#include "decoding/stage.hpp"

#include <type_traits>
#include <utility>

#include "core/error.hpp"
#include "decoding/digest.hpp"

namespace pipespec::decoding {

Stage::Stage(StageOptions options, SequenceId newest)
    : options_(std::make_shared<const StageOptions>(std::move(options))), newest_(newest) {
  expect(options_->stages >= 1 && options_->index.value >= 0 && options_->index.value < options_->stages,
         "a stage has a place in its chain");
  expect(options_->window >= 1 && options_->max_ahead >= 1 && options_->lookahead >= 1, "limits are positive");
  expect(options_->has_model || (options_->is_first() && !options_->is_target()),
         "only stage 0 drafts without a model");
  if (!options_->is_first()) open_peers_.insert(options_->below());
  if (!options_->is_target()) {
    open_peers_.insert(options_->above());
    open_peers_.insert(StageIndex{options_->stages - 1});
  }
}

// ---------------------------------------------------------------------------------------- starting and finishing

SequenceId Stage::start(std::vector<Token> prompt, Position max_length) {
  expect(options_->is_target() && !shutting_down_, "the target starts sequences until it shuts down");
  const Start start{{newest_.value + 1}, max_length, std::move(prompt)};
  for (int s = 0; s + 1 < options_->stages; ++s) outgoing_.push_back({{s}, start});
  begin(start);
  return start.sequence;
}

void Stage::finish(SequenceId sequence) {
  expect(options_->is_target() && sequences_.contains(sequence), "the target finishes its live sequences");
  for (int s = 0; s + 1 < options_->stages; ++s) outgoing_.push_back({{s}, Finish{sequence}});
  end(sequence);
}

void Stage::shut_down() {
  expect(options_->is_target() && sequences_.empty(), "the target shuts down when all sequences are finished");
  close_links();
}

void Stage::reuse(SequenceId sequence, Position positions) {
  expect(sequences_.contains(sequence), "a cache is taken over by a live sequence");
  sequences_.at(sequence).reuse(positions);
}

void Stage::begin(const Start& start) {
  expect(newest_ < start.sequence, "sequences are started in the order of their ids");
  newest_ = start.sequence;
  sequences_.try_emplace(start.sequence, options_, start);
  if (const auto waiting = early_.extract(start.sequence)) {
    for (const auto& [from, message] : waiting.mapped()) receive(from, message);
  }
}

void Stage::end(SequenceId sequence) {
  const auto entry = sequences_.find(sequence);
  ended_.push_back({sequence, entry->second.statistics()});
  sequences_.erase(entry);
}

/// Sends the last message of every link of this stage; the target's also tells the stages that are not its neighbours.
void Stage::close_links() {
  shutting_down_ = true;
  for (int s = 0; s < options_->stages; ++s) {
    const bool is_neighbour = s == options_->index.value - 1 || s == options_->index.value + 1;
    if (is_neighbour || (options_->is_target() && s != options_->index.value)) outgoing_.push_back({{s}, Shutdown{}});
  }
}

// ------------------------------------------------------------------------------------------------------- routing

template <class M>
void Stage::route(StageIndex from, const M& message) {
  expect(from == (std::is_same_v<M, Tokens> ? options_->below() : options_->above()),
         "a message comes from the right neighbour");
  const auto entry = sequences_.find(message.sequence);
  if (entry != sequences_.end()) {
    entry->second.receive(message);
    collect(entry->second);
  } else if (!is_over(message.sequence)) {
    early_[message.sequence].emplace_back(from, message);
  }
}

void Stage::receive(StageIndex from, const Message& message) {
  std::visit(
      [&](const auto& m) {
        using M = std::decay_t<decltype(m)>;
        if constexpr (std::is_same_v<M, Start>) {
          begin(m);
        } else if constexpr (std::is_same_v<M, Finish>) {
          if (sequences_.contains(m.sequence)) end(m.sequence);
        } else if constexpr (std::is_same_v<M, Shutdown>) {
          open_peers_.erase(from);
          const bool is_from_target = from.value == options_->stages - 1;
          if (is_from_target && !shutting_down_) close_links();
        } else {
          route(from, m);
        }
      },
      message);
}

/// Round robin: the search begins behind the sequence that was served last.
std::optional<SequenceId> Stage::next_sequence() const {
  auto entry = sequences_.upper_bound(served_);
  for (std::size_t i = 0; i < sequences_.size(); ++i, ++entry) {
    if (entry == sequences_.end()) entry = sequences_.begin();
    if (entry->second.has_work()) return entry->first;
  }
  return std::nullopt;
}

std::optional<Work> Stage::next_work() {
  const auto sequence = next_sequence();
  if (!sequence) return std::nullopt;
  served_ = *sequence;
  return sequences_.at(*sequence).next_work();
}

bool Stage::expects_drafts() const {
  const auto sequence = next_sequence();
  return sequence && sequences_.at(*sequence).expects_drafts();
}

template <class W>
StepResult Stage::complete_work(const W& work, std::span<const Token> tokens) {
  const auto entry = sequences_.find(work.sequence);
  if (entry == sequences_.end()) {
    StepResult ended;
    ended.void_ = true;
    return ended;
  }
  StepResult result = entry->second.complete(work, tokens);
  collect(entry->second);
  return result;
}

StepResult Stage::complete(const Pass& pass, std::span<const Token> outputs) {
  return complete_work(pass, outputs);
}

StepResult Stage::complete(const Proposal& proposal, std::span<const Token> tokens) {
  return complete_work(proposal, tokens);
}

void Stage::collect(SequenceState& state) {
  for (Outgoing& outgoing : state.take_outgoing()) outgoing_.push_back(std::move(outgoing));
}

std::vector<Outgoing> Stage::take_outgoing() {
  return std::exchange(outgoing_, {});
}

std::vector<Ended> Stage::take_ended() {
  return std::exchange(ended_, {});
}

const SequenceState* Stage::find(SequenceId sequence) const {
  const auto entry = sequences_.find(sequence);
  return entry == sequences_.end() ? nullptr : &entry->second;
}

std::vector<SequenceId> Stage::live() const {
  std::vector<SequenceId> ids;
  for (const auto& [id, _] : sequences_) ids.push_back(id);
  return ids;
}

std::uint64_t Stage::digest() const {
  Digest digest;
  for (const auto& [_, state] : sequences_) digest.add(static_cast<std::int64_t>(state.digest()));
  for (const auto& [_, messages] : early_) {
    for (const auto& [from, message] : messages) {
      digest.add(from.value);
      digest.add(message);
    }
  }
  for (const StageIndex peer : open_peers_) digest.add(peer.value);
  for (const std::int64_t number : {newest_.value, served_.value, static_cast<std::int32_t>(shutting_down_)}) {
    digest.add(number);
  }
  return digest.value();
}

}  // namespace pipespec::decoding
