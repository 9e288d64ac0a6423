#include "pipeline/stage_worker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "decoding/digest.hpp"
#include "pipeline/wire.hpp"

namespace pipespec::pipeline {

using namespace decoding;

StageWorker::StageWorker(StageParts parts)
    : parts_(std::move(parts)),
      stage_(parts_.options, parts_.newest),
      traces_(parts_.options.index, *parts_.clock),
      planner_(parts_.policy, parts_.options, parts_.takes_from_target) {
  const StageOptions& options = stage_.options();
  expect(options.has_model ? parts_.model != nullptr : parts_.drafter != nullptr, "a stage has something to work with");
  expect(!options.is_target() || parts_.queue != nullptr, "the target has a queue");
  // Corrections come from above and void work, so they are looked for first.
  if (!options.is_target()) {
    peers_.push_back(options.above().value);
    if (options.above().value != options.stages - 1) peers_.push_back(options.stages - 1);
  }
  if (!options.is_first()) peers_.push_back(options.below().value);
  if (parts_.checks_invariants) {
    const int index = options.index.value;
    checker_.emplace(fmt::format("rank {}, stage {}", parts_.leaders[index], index));
  }
  if (parts_.model != nullptr) {
    for (model::Slot slot = parts_.model->slots(); slot-- > 0;) free_slots_.push_back(slot);
  }
}

SequenceId StageWorker::run() {
  comm::Backoff backoff(parts_.channel->bells());
  for (;;) {
    if (parts_.on_poll) parts_.on_poll();
    bool is_busy = receive_messages();
    send_messages();
    close_ended();  // frees the slots that sequences begun by the same messages will need
    if (stage_.options().is_target()) feed();
    send_messages();
    if (stage_.is_closed() && parts_.channel->flush()) return stage_.newest();
    is_busy |= step();
    if (is_busy) {
      backoff.reset();
    } else {
      backoff.pause();
    }
  }
}

// ---------------------------------------------------------------------------------------------------- messages

bool StageWorker::receive_messages() {
  bool any = false;
  for (const int peer : peers_) {
    while (const auto words = parts_.channel->receive(parts_.leaders[peer])) {
      const Message message = decode(*words);
      const auto sequence = sequence_of(message);
      if (sequence && !stage_.is_over(*sequence)) traces_.record(message, Direction::received, {peer});
      const SequenceState* state = sequence ? stage_.find(*sequence) : nullptr;
      if (state != nullptr) planner_.heard(message, *state, parts_.clock->now());
      stage_.receive({peer}, message);
      check();
      any = true;
    }
  }
  return any;
}

void StageWorker::send_messages() {
  for (const Outgoing& outgoing : stage_.take_outgoing()) {
    parts_.channel->send(parts_.leaders[outgoing.to.value], encode(outgoing.message));
    traces_.record(outgoing.message, Direction::sent, outgoing.to);
  }
}

void StageWorker::check() {
  if (checker_) checker_->check(stage_);
}

// -------------------------------------------------------------------------------------------------------- work

bool StageWorker::step() {
  admit();
  share_prompts();
  plan_ = planner_.plan(stage_.candidates(), parts_.clock->now());
  for (const SequenceId sequence : plan_.abstentions) {
    stage_.abstain(sequence);
    check();
    send_messages();
  }
  const std::vector<Work> work = stage_.next_work(plan_.choices);
  if (work.empty()) return !plan_.abstentions.empty();
  if (checker_) checker_->check_begun(stage_, work);
  if (stage_.options().has_model) {
    run_pass(work);
  } else {
    run_proposals(work);
  }
  send_messages();
  return true;
}

void StageWorker::run_pass(std::span<const Work> work) {
  const double begin = parts_.clock->now();
  watch_.begin_pass(begin, planner_.seconds_of(work));
  if (!compute(work)) {
    traces_.end_pass(begin, plan_.waited);
    return give_up(work);
  }
  planner_.passed(work, begin, parts_.clock->now());
  traces_.end_pass(begin, plan_.waited);
  look();  // what arrived during the pass counts before its results do
  watch_.end_pass(stage_.is_void(work));
  confidences_.clear();
  for (const float probability : probabilities_) confidences_.push_back(Confidence::of_probability(probability));
  std::size_t first = 0;
  for (const Work& step : work) {
    const Pass& pass = std::get<Pass>(step);
    const auto own = [&, count = static_cast<std::size_t>(pass.outputs)](auto all) {
      return all.empty() ? all : all.subspan(first, count);
    };
    complete(pass, own(std::span<const Token>(outputs_)), own(std::span<const Confidence>(confidences_)));
    first += static_cast<std::size_t>(pass.outputs);
  }
}

void StageWorker::look() {
  const double begin = parts_.clock->now();
  receive_messages();
  watch_.looked(begin, parts_.clock->now());
}

/// In the course of a pass.
bool StageWorker::is_still_wanted(std::span<const Work> work) {
  const comm::WordChannel& channel = *parts_.channel;
  if (channel.knows_news() ? !channel.may_have_news() : !watch_.is_due(parts_.clock->now())) return true;
  look();
  send_messages();
  return !stage_.is_void(work);
}

void StageWorker::give_up(std::span<const Work> work) {
  watch_.end_pass(true);
  for (const Work& step : work) {
    const Pass& pass = std::get<Pass>(step);
    const StepResult result = stage_.give_up(pass);
    if (checker_) checker_->check_given_up(stage_, pass, result);
    traces_.record_given_up(pass, result, plan_.of(pass.sequence));
  }
}

/// All sequences of the pass at once. False: it was voided and given up.
bool StageWorker::compute(std::span<const Work> work) {
  texts_.clear();
  segments_.clear();
  std::size_t outputs = 0;
  for (const Work& step : work) {
    segments_.push_back(segment_of(std::get<Pass>(step)));
    outputs += static_cast<std::size_t>(segments_.back().outputs);
    parts_.model->truncate(segments_.back().slot, segments_.back().begin);
  }
  outputs_.resize(outputs);
  if (stage_.options().is_target()) return parts_.model->forward(segments_, outputs_);
  probabilities_.assign(outputs, 0.0f);
  return parts_.model->forward(
      segments_, outputs_, [&] { return is_still_wanted(work); }, probabilities_);
}

model::Segment StageWorker::segment_of(const Pass& pass) {
  const Place place = places_.at(pass.sequence);
  std::erase(unbegun_, pass.sequence);
  model::Segment segment{place.slot, pass.begin, pass.tokens, pass.outputs, place.noise, {}};
  // Tokens that only the target's vocabulary has are token 0 to a drafter: what it guesses behind them is poor, and
  // never final.
  const auto is_unknown = [size = parts_.model->vocabulary_size()](Token token) { return token >= size; };
  if (!stage_.options().is_target() && std::ranges::any_of(pass.tokens, is_unknown)) {
    std::vector<Token>& known = texts_.emplace_back(pass.tokens);
    std::ranges::replace_if(known, is_unknown, Token{0});
    segment.tokens = known;
  }
  if (parts_.recent_tokens > 0) {
    // With as many tokens before the pass as the repetition penalty of the first looks back at.
    const auto before = stage_.find(pass.sequence)->view().first(static_cast<std::size_t>(pass.begin));
    const auto needed = before.last(std::min(before.size(), static_cast<std::size_t>(parts_.recent_tokens)));
    std::vector<Token>& recent = texts_.emplace_back(needed.begin(), needed.end());
    recent.insert(recent.end(), pass.tokens.begin(), pass.tokens.end());
    segment.recent = recent;
  }
  return segment;
}

void StageWorker::complete(const Pass& pass, std::span<const Token> outputs, std::span<const Confidence> confidences) {
  const SequenceState* state = stage_.find(pass.sequence);
  const std::optional<Draft> next_draft = state != nullptr ? draft_behind(pass, *state) : std::nullopt;
  const StepResult result = stage_.complete(pass, outputs, confidences);
  if (checker_) checker_->check_completed(stage_, pass, result);
  planner_.completed(pass, result, next_draft);
  traces_.record(pass, result, plan_.of(pass.sequence));
  if (stage_.options().is_target()) commit(pass.sequence, result);
}

void StageWorker::run_proposals(std::span<const Work> work) {
  const double begin = parts_.clock->now();
  std::vector<Guess> guesses;
  for (const Work& step : work) {
    const Proposal& proposal = std::get<Proposal>(step);
    guesses.push_back(parts_.drafter->propose(stage_.find(proposal.sequence)->view(), proposal.max_tokens));
  }
  traces_.end_pass(begin, plan_.waited);
  for (std::size_t i = 0; i < work.size(); ++i) {
    const Proposal& proposal = std::get<Proposal>(work[i]);
    const StepResult result = stage_.complete(proposal, guesses[i].tokens, guesses[i].confidences);
    if (checker_) checker_->check_completed(stage_, proposal, result);
    traces_.record(proposal, result);
  }
}

/// Gives every new sequence a slot of the cache before its first pass.
void StageWorker::admit() {
  if (parts_.model == nullptr || admitted_ == stage_.newest()) return;
  for (const SequenceId sequence : stage_.live()) {
    if (admitted_ < sequence) take_slot(sequence);
  }
  admitted_ = stage_.newest();
}

/// The free slot that holds the longest beginning of the prompt: prompts of one task often begin alike (a system
/// message, worked examples), and what is there need not be computed again. A row's keys and values depend on its
/// prefix alone, so the output stays the same, bit for bit.
void StageWorker::take_slot(SequenceId sequence) {
  expect(!free_slots_.empty(), "as many slots as sequences in flight");
  const SequenceState& state = *stage_.find(sequence);
  const std::span<const Token> prompt = state.view().first(state.prompt_length());
  const auto best = std::ranges::max_element(free_slots_, {}, [&](model::Slot slot) { return held(prompt, slot); });
  const model::Slot slot = *best;
  free_slots_.erase(best);
  const Position reused = held(prompt, slot);
  parts_.model->truncate(slot, reused);
  stage_.reuse(sequence, reused);
  check();
  kept_[slot].assign(prompt.begin(), prompt.end());
  // The noise belongs to the prompt, so that the output does not depend on the order of the samples.
  Digest digest;
  digest.add(prompt);
  places_.emplace(sequence, Place{slot, digest.value()});
  unbegun_.push_back(sequence);
}

/// The positions of the beginning of `prompt` that `slot` holds, all but the last at the most.
Position StageWorker::held(std::span<const Token> prompt, model::Slot slot) const {
  const auto entry = kept_.find(slot);
  if (entry == kept_.end()) return 0;
  const auto kept = std::span(entry->second)
                        .first(std::min(entry->second.size(), static_cast<std::size_t>(parts_.model->length(slot))));
  const auto differ = std::mismatch(kept.begin(), kept.end(), prompt.begin(), prompt.end() - 1).first;
  return static_cast<Position>(differ - kept.begin());
}

/// A prompt whose first pass is still to come takes over what another slot, also of a live sequence, holds more of it.
/// So of long prompts that come together and begin alike the first is computed, and the others go on from there: they
/// wait for it in any case, as the rows of a pass are limited. Those that are short enough to begin in one pass do not
/// share. Passes then also read what is shared from nearer caches.
void StageWorker::share_prompts() {
  constexpr Position block = model::LanguageModel::block_positions;
  for (const SequenceId sequence : unbegun_) {
    const SequenceState* state = stage_.find(sequence);
    if (state == nullptr) continue;  // it has ended
    const std::span<const Token> prompt = state->view().first(state->prompt_length());
    const model::Slot own = places_.at(sequence).slot;
    Position most = state->kv_length() + block - 1;
    std::optional<model::Slot> donor;
    for (const auto& [slot, _] : kept_) {
      if (slot == own || parts_.model->length(slot) <= most) continue;
      const Position length = held(prompt, slot);
      if (length <= most) continue;
      most = length;
      donor = slot;
    }
    if (!donor) continue;
    stage_.reuse(sequence, parts_.model->share(*donor, own, most));
    check();
  }
}

void StageWorker::close_ended() {
  for (const Ended& ended : stage_.take_ended()) {
    planner_.ended(ended.sequence);
    if (parts_.drafter != nullptr) parts_.drafter->learn(ended.output);
    std::erase(unbegun_, ended.sequence);
    if (const auto place = places_.extract(ended.sequence)) free_slots_.push_back(place.mapped().slot);
    StageTrace trace = traces_.close(ended);
    if (parts_.on_trace) parts_.on_trace(ended.sequence, std::move(trace));
    if (auto live = live_.extract(ended.sequence)) parts_.queue->answered(std::move(live.mapped().answer));
  }
}

// --------------------------------------------------------------------------------------------------- the target

/// Starts new sequences where there is room, and shuts the pipeline down when there are no more.
void StageWorker::feed() {
  if (has_shut_down_) return;
  const bool is_over = parts_.queue->should_abandon();
  if (is_over) abandon();
  while (!is_over && static_cast<int>(live_.size()) < parts_.sequences_in_flight) {
    std::optional<Request> request = parts_.queue->next();
    if (!request) break;
    const SequenceId sequence = stage_.start(std::move(request->prompt), request->max_length);
    Live& live = live_[sequence];
    live.at_limit = request->at_limit;
    live.answer.key = request->key;
    live.answer.sequence = sequence;
    live.answer.start = parts_.clock->now();
    check();
  }
  if (live_.empty() && (is_over || parts_.queue->is_exhausted())) {
    stage_.shut_down();
    has_shut_down_ = true;
  }
}

void StageWorker::abandon() {
  for (const SequenceId sequence : stage_.live()) stage_.finish(sequence);
  live_.clear();  // without answers
}

void StageWorker::commit(SequenceId sequence, const StepResult& result) {
  const auto entry = live_.find(sequence);
  if (result.appended.empty() || entry == live_.end()) return;
  Live& live = entry->second;
  const std::optional<std::size_t> stopped_after = parts_.queue->commit(live.answer.key, result.appended);
  Answer& answer = live.answer;
  const auto kept = result.appended.begin() + stopped_after.value_or(result.appended.size());
  answer.tokens.insert(answer.tokens.end(), result.appended.begin(), kept);
  answer.commit_times.resize(answer.tokens.size(), parts_.clock->now());
  if (stopped_after) {
    answer.finish = FinishReason::stop_string;
  } else if (result.finished) {
    answer.finish = *result.finished == FinishReason::length ? live.at_limit : *result.finished;
  } else {
    return;
  }
  stage_.finish(sequence);
}

}  // namespace pipespec::pipeline
