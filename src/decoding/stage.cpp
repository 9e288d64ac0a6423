#include "decoding/stage.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "core/error.hpp"
#include "decoding/digest.hpp"

namespace pipespec::decoding {

namespace {

constexpr int share_of_prompts = 4;  ///< one of so many rows of a pass is kept for prompts, and one at least

}  // namespace

Stage::Stage(StageOptions options, SequenceId newest)
    : options_(std::make_shared<const StageOptions>(std::move(options))), newest_(newest) {
  expect(options_->stages >= 1 && options_->index.value >= 0 && options_->index.value < options_->stages,
         "a stage has a place in its chain");
  expect(options_->window >= 1 && options_->max_ahead >= 1 && options_->lookahead >= 1, "limits are positive");
  expect(options_->max_rows >= 2, "a pass has a row for a text and one for a prompt");
  expect(options_->has_model || (options_->is_first() && !options_->is_target()),
         "only stage 0 drafts without a model");
  expect(options_->lenience == Lenience::strict || (!options_->is_first() && !options_->is_target()),
         "only a stage between two others is lenient");
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
  sequences_.try_emplace(start.sequence, options_, start, verdicts_);
  if (const auto waiting = early_.extract(start.sequence)) {
    for (const auto& [from, message] : waiting.mapped()) receive(from, message);
  }
}

void Stage::end(SequenceId sequence) {
  const auto entry = sequences_.find(sequence);
  const SequenceState& state = entry->second;
  const auto known = state.view().first(
      static_cast<std::size_t>(std::min<std::ptrdiff_t>(state.confirmed(), std::ssize(state.view()))));
  const auto output = known.subspan(static_cast<std::size_t>(state.prompt_length()));
  ended_.push_back({sequence, state.statistics(), {output.begin(), output.end()}});
  verdicts_ = state.verdicts().for_next_sequence();
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

/// Round robin: from behind the sequence that was served last.
std::vector<Candidate> Stage::candidates() const {
  std::vector<Candidate> all;
  const auto first = sequences_.upper_bound(served_);
  const auto add = [&](auto begin, auto end) {
    for (auto entry = begin; entry != end; ++entry) {
      if (const auto candidate = entry->second.candidate()) all.push_back(*candidate);
    }
  };
  add(first, sequences_.end());
  add(sequences_.begin(), first);
  return all;
}

std::vector<Work> Stage::next_work() {
  std::vector<Choice> choices;
  for (const Candidate& candidate : candidates()) choices.push_back({candidate.sequence, candidate.drafts});
  return next_work(choices);
}

std::vector<Work> Stage::next_work(std::span<const Choice> choices) {
  return options_->has_model ? next_pass(choices) : next_proposals(choices);
}

std::vector<Work> Stage::next_proposals(std::span<const Choice> choices) {
  std::vector<Work> work;
  for (const Choice& choice : choices) work.push_back(sequences_.at(choice.sequence).next_work().value());
  return work;
}

std::vector<Work> Stage::next_pass(std::span<const Choice> choices) {
  std::vector<Work> pass;
  std::vector<std::pair<Candidate, int>> texts, prompts;  // with the drafts to check
  for (const Choice& choice : choices) {
    const Candidate candidate = sequences_.at(choice.sequence).candidate().value();
    (candidate.is_prefill ? prompts : texts).emplace_back(candidate, std::min(choice.drafts, candidate.drafts));
  }
  const auto take = [&](const Candidate& candidate, const StepLimits& limits) {
    pass.push_back(sequences_.at(candidate.sequence).next_work(limits).value());
    return static_cast<int>(std::get<Pass>(pass.back()).tokens.size());
  };

  int room = options_->max_rows;
  int kept = 0;  // for prompts
  for (const auto& [candidate, drafts] : prompts)
    kept = std::min(std::max(1, room / share_of_prompts), kept + candidate.rows);
  for (const auto& [candidate, drafts] : texts) {
    const bool is_first = pass.empty();
    if (candidate.rows > room - kept && !is_first) break;
    room -=
        take(candidate, {.rows = room - kept, .drafts = std::min(drafts, std::max(0, room - kept - candidate.rows))});
    served_ = candidate.sequence;
  }
  std::ranges::sort(prompts, {}, [](const auto& prompt) { return prompt.first.sequence; });
  for (const auto& [candidate, drafts] : prompts) {
    if (room == 0) break;
    room -= take(candidate, {.rows = room, .drafts = std::min(drafts, std::max(0, room - candidate.rows))});
  }
  return pass;
}

void Stage::abstain(SequenceId sequence) {
  SequenceState& state = sequences_.at(sequence);
  state.abstain();
  collect(state);
}

/// Of work whose sequence has ended meanwhile.
StepResult Stage::ended_result() {
  StepResult ended;
  ended.void_ = true;
  return ended;
}

template <class W>
StepResult Stage::complete_work(const W& work, std::span<const Token> tokens, std::span<const Confidence> confidences) {
  const auto entry = sequences_.find(work.sequence);
  if (entry == sequences_.end()) return ended_result();
  StepResult result = entry->second.complete(work, tokens, confidences);
  collect(entry->second);
  return result;
}

StepResult Stage::complete(const Pass& pass, std::span<const Token> outputs, std::span<const Confidence> confidences) {
  return complete_work(pass, outputs, confidences);
}

StepResult Stage::complete(const Proposal& proposal, std::span<const Token> tokens,
                           std::span<const Confidence> confidences) {
  return complete_work(proposal, tokens, confidences);
}

bool Stage::is_void(std::span<const Work> work) const {
  return std::ranges::all_of(work, [this](const Work& step) {
    const SequenceState* state = find(sequence_of(step));
    const Pass* pass = std::get_if<Pass>(&step);
    return state == nullptr || (pass != nullptr && state->is_void(*pass));
  });
}

StepResult Stage::give_up(const Pass& pass) {
  const auto entry = sequences_.find(pass.sequence);
  if (entry == sequences_.end()) return ended_result();
  const StepResult result = entry->second.give_up(pass);
  collect(entry->second);
  return result;
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
  verdicts_.add_to(digest);
  return digest.value();
}

}  // namespace pipespec::decoding
