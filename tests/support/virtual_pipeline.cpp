#include "support/virtual_pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "decoding/digest.hpp"

namespace pipespec::testing {

using decoding::Message;
using decoding::Pass;
using decoding::Proposal;
using decoding::SequenceState;
using decoding::StageOptions;
using decoding::StepResult;

VirtualPipeline::VirtualPipeline(const Options& options)
    : options_(std::make_shared<const Options>(options)), outputs_({}) {
  const int count = static_cast<int>(options.models.agreement.size()) + 1;
  for (int s = 0; s < count; ++s) {
    nodes_.emplace_back(
        Node{decoding::Stage({.index = {s},
                              .stages = count,
                              .schedule = options.schedule,
                              .window = options.window,
                              .max_rows = options.max_rows,
                              .max_ahead = options.max_ahead,
                              .lookahead = options.lookahead,
                              .has_model = s > 0 || !options.proposer,
                              .lenience = s < std::ssize(options.lenience) ? options.lenience[s] : Lenience::strict,
                              .end_tokens = {options.models.end_token}}),
             decoding::InvariantChecker(fmt::format("stage {}", s))});
  }
  links_.assign(count * count, CopyOnWrite<Link>({}));
}

VirtualPipeline::Node& VirtualPipeline::change(int index) {
  Node& node = nodes_[index].write();
  node.digest.reset();
  return node;
}

// ------------------------------------------------------------------------------------------- the target's driver

SequenceId VirtualPipeline::start(std::vector<Token> prompt, Position max_length) {
  const SequenceId sequence = change(stages() - 1).stage.start(prompt, max_length);
  std::vector<Token> expected = options_->models.autoregressive(prompt, max_length);
  outputs_.write()[sequence.value] = {.tokens = {}, .expected = std::move(expected)};
  after_event(stages() - 1);
  return sequence;
}

void VirtualPipeline::finish(SequenceId sequence) {
  outputs_.write().at(sequence.value).finished = true;
  change(stages() - 1).stage.finish(sequence);
  after_event(stages() - 1);
}

void VirtualPipeline::shut_down() {
  is_shut_down_ = true;
  change(stages() - 1).stage.shut_down();
  after_event(stages() - 1);
}

// -------------------------------------------------------------------------------------------------------- events

std::vector<Event> VirtualPipeline::events() const {
  std::vector<Event> events;
  for (int s = 0; s < stages(); ++s) {
    for (int from = 0; from < stages(); ++from) {
      if (!link(from, s).empty()) events.push_back({Event::Kind::deliver, s, from});
    }
    if (is_busy(s)) {
      events.push_back({Event::Kind::complete, s});
      if (is_void(s)) events.push_back({Event::Kind::give_up, s});
    } else if (!nodes_[s]->is_waiting) {
      events.push_back({Event::Kind::begin, s});
    }
  }
  return events;
}

bool VirtualPipeline::perform(const Event& event) {
  if (event.kind == Event::Kind::begin) return begin(event.stage);
  if (event.kind == Event::Kind::deliver) {
    deliver(event.from, event.stage);
  } else if (event.kind == Event::Kind::give_up) {
    give_up(event.stage);
  } else {
    complete(event.stage);
  }
  after_event(event.stage);
  return true;
}

void VirtualPipeline::deliver(int from, int to) {
  expect(!link(from, to).empty(), "a message is on its way");
  Link& queue = change_link(from, to);
  const Message message = std::move(queue.front());
  queue.pop_front();
  Node& node = change(to);
  const auto sequence = decoding::sequence_of(message);
  const bool ended = sequence && node.ended.contains(sequence->value);
  const std::uint64_t before = ended ? node.stage.digest() : 0;
  node.stage.receive({from}, message);
  if (ended) expect(node.stage.digest() == before, "quiescence: a message of a finished sequence changes nothing");
}

bool VirtualPipeline::begin(int index) {
  Node& node = change(index);
  expect(node.work.empty(), "a device does one thing at a time");
  if (options_->checks_some && some_abstain(node.stage)) {
    after_event(index);
    return true;
  }
  node.work = options_->checks_some ? node.stage.next_work(some_drafts(node.stage)) : node.stage.next_work();
  node.is_waiting = node.work.empty();
  if (node.is_waiting) {
    node.checker.check_idle(node.stage);
    return false;
  }
  node.checker.check_begun(node.stage, node.work);
  for (const decoding::Work& work : node.work) node.results.push_back(compute(index, node, work));
  return true;
}

bool VirtualPipeline::some_abstain(decoding::Stage& stage) {
  bool any = false;
  for (const decoding::Candidate& candidate : stage.candidates()) {
    if (!candidate.may_abstain || stage.find(candidate.sequence)->digest() % 2 == 0) continue;
    stage.abstain(candidate.sequence);
    any = true;
  }
  return any;
}

std::vector<decoding::Choice> VirtualPipeline::some_drafts(const decoding::Stage& stage) const {
  std::vector<decoding::Choice> choices;
  for (const decoding::Candidate& candidate : stage.candidates()) {
    decoding::Digest digest;
    digest.add(static_cast<std::int64_t>(stage.find(candidate.sequence)->digest()));
    choices.push_back({candidate.sequence, static_cast<int>(digest.value() % (candidate.drafts + 1))});
  }
  return choices;
}

/// Cuts the cache to the pass's begin, fills it with the rows and reads the outputs from it.
decoding::Guess VirtualPipeline::compute(int index, Node& node, const decoding::Work& work) const {
  if (const auto* proposal = std::get_if<Proposal>(&work)) {
    return options_->proposer(node.stage.find(proposal->sequence)->view(), proposal->max_tokens);
  }
  const Pass& pass = std::get<Pass>(work);
  auto& cache = node.caches[pass.sequence.value];
  cache.resize(pass.begin);
  for (const Token token : pass.tokens) {
    cache.push_back((cache.empty() ? ToyText{} : cache.back()).followed_by(token));
  }
  decoding::Guess result;
  for (auto row = std::ssize(cache) - pass.outputs; row < std::ssize(cache); ++row) {
    result.tokens.push_back(options_->models.next(index, cache[row]));
    if (options_->tells_confidences)
      result.confidences.push_back(decoding::Confidence::of_match(1 + result.tokens.back()));  // as good as any
  }
  return result;
}

void VirtualPipeline::complete(int index) {
  Node& node = change(index);
  expect(!node.work.empty(), "work is outstanding");
  const auto results = std::exchange(node.results, {});
  const auto work = std::exchange(node.work, {});
  for (std::size_t i = 0; i < work.size(); ++i) {
    const SequenceId sequence = sequence_of(work[i]);
    std::vector<Token> drafts;
    if (const SequenceState* state = node.stage.find(sequence))
      drafts.assign(state->drafts().begin(), state->drafts().end());
    const auto result = std::visit(
        [&](const auto& w) { return node.stage.complete(w, results[i].tokens, results[i].confidences); }, work[i]);
    node.checker.check_completed(node.stage, work[i], result);
    if (std::holds_alternative<Pass>(work[i])) check_appended(index, sequence, drafts, result.appended);
    take_result(index, work[i], result);
  }
}

/// `drafts`: those that waited behind the view before the step.
void VirtualPipeline::check_appended(int index, SequenceId sequence, std::span<const Token> drafts,
                                     std::span<const Token> appended) const {
  if (appended.empty()) return;
  const Lenience lenience = stage(index).options().lenience;
  const auto view = stage(index).find(sequence)->view();
  ToyText text = ToyText::of(view.first(view.size() - appended.size()));
  for (std::size_t i = 0; i < appended.size(); ++i) {
    const bool is_own = appended[i] == options_->models.next(index, text);
    const bool is_draft = i < drafts.size() && appended[i] == drafts[i];
    const bool is_right = lenience == Lenience::strict || i >= drafts.size() ? is_own
                          : lenience == Lenience::trust                      ? is_draft
                                                                             : is_own || is_draft;
    expect(is_right, "a step appends the stage's own tokens, or the drafts that its lenience lets stand");
    text = text.followed_by(appended[i]);
  }
}

/// Guesses without a model are made at one go.
bool VirtualPipeline::is_void(int index) const {
  return stage(index).options().has_model && stage(index).is_void(nodes_[index]->work);
}

/// The rows do not reach the cache.
void VirtualPipeline::give_up(int index) {
  Node& node = change(index);
  node.results.clear();
  for (const decoding::Work& work : std::exchange(node.work, {})) {
    const Pass& pass = std::get<Pass>(work);
    if (const auto cache = node.caches.find(pass.sequence.value); cache != node.caches.end()) {
      cache->second.resize(pass.begin);
    }
    node.checker.check_given_up(node.stage, pass, node.stage.give_up(pass));
  }
}

void VirtualPipeline::take_result(int index, const decoding::Work& work, const StepResult& result) {
  const SequenceId sequence = sequence_of(work);
  const SequenceState* state = stage(index).find(sequence);
  if (state == nullptr) return;
  if (!is_target(index)) return;
  const auto view = state->view();
  Output& output = outputs_.write().at(sequence.value);
  output.tokens.assign(view.begin() + state->prompt_length(), view.end());
  expect(output.tokens.size() <= output.expected.size() &&
             std::equal(output.tokens.begin(), output.tokens.end(), output.expected.begin()),
         "lossless: the output is the target's own");
  expect(result.finished.has_value() == (output.tokens.size() == output.expected.size()),
         "lossless: the output ends where the target's own does");
  if (!result.finished) return;
  const bool is_end_token = output.tokens.back() == options_->models.end_token;
  expect((*result.finished == FinishReason::end_token) == is_end_token, "the reason of the end is told");
  output.reason = result.finished;
  finish(sequence);
}

// -------------------------------------------------------------------------------------------------------- checks

void VirtualPipeline::after_event(int index) {
  Node& node = change(index);
  node.is_waiting = false;
  for (auto& outgoing : node.stage.take_outgoing()) {
    change_link(index, outgoing.to.value).push_back(std::move(outgoing.message));
  }
  for (auto& ended : node.stage.take_ended()) {
    node.ended.emplace(ended.sequence.value, std::move(ended.statistics));
    node.caches.erase(ended.sequence.value);
  }
  admit(node);
  node.checker.check(node.stage);
  check_agreement(index - 1);
  check_agreement(index);
}

/// A new sequence takes over what the cache holds of its prompt, in two steps.
void VirtualPipeline::admit(Node& node) const {
  for (const SequenceId sequence : node.stage.live()) {
    const auto [cache, is_new] = node.caches.try_emplace(sequence.value);
    if (!is_new) continue;
    const SequenceState& state = *node.stage.find(sequence);
    const Position reused = std::min(options_->reused, state.prompt_length() - 1);
    for (const Token token : state.view().first(reused)) {
      cache->second.push_back((cache->second.empty() ? ToyText{} : cache->second.back()).followed_by(token));
    }
    node.stage.reuse(sequence, reused / 2);
    node.stage.reuse(sequence, reused);
  }
}

/// Where nothing is on its way between two stages, the upper one knows the lower one's view as far as it has room, and
/// the lower one is not behind. (A synchronous stage keeps its tokens until it hands the turn on.)
void VirtualPipeline::check_agreement(int lower) const {
  if (options_->schedule != decoding::Schedule::pipelined || lower < 0 || is_target(lower)) return;
  if (!link(lower, lower + 1).empty() || !link(lower + 1, lower).empty()) return;
  for (const SequenceId sequence : stage(lower).live()) {
    const SequenceState& below = *stage(lower).find(sequence);
    const SequenceState* above = stage(lower + 1).find(sequence);
    if (above == nullptr) continue;
    std::vector<Token> known(above->view().begin(), above->view().end());
    known.insert(known.end(), above->drafts().begin(), above->drafts().end());
    const auto told = std::min(std::ssize(below.view()),
                               std::ptrdiff_t{below.acknowledged() + options_->max_ahead + options_->window});
    expect(std::ranges::equal(known, below.view().first(told)), "agreement: a quiet link leaves no difference");
    expect(above->epoch_in() == below.epoch_out(), "agreement: a quiet link has one epoch");
  }
}

bool VirtualPipeline::is_closed() const {
  return std::all_of(nodes_.begin(), nodes_.end(),
                     [](const auto& n) { return n->stage.is_closed() && n->work.empty(); }) &&
         std::all_of(links_.begin(), links_.end(), [](const auto& queue) { return queue->empty(); });
}

bool VirtualPipeline::is_fed(int stage) const {
  for (int from = 0; from < stages(); ++from) {
    const bool is_link = from == stage - 1 || from == stage + 1 || (is_target(from) && from != stage);
    if (is_link && link(from, stage).empty()) return false;
  }
  return true;
}

const LinkStatistics& VirtualPipeline::statistics(int stage, SequenceId sequence) const {
  return nodes_.at(stage)->ended.at(sequence.value);
}

std::uint64_t VirtualPipeline::digest(int stage) const {
  const Node& node = *nodes_.at(stage);
  if (node.digest) return *node.digest;
  decoding::Digest digest;
  digest.add(stage);
  digest.add(static_cast<std::int64_t>(node.stage.digest()));
  for (const decoding::Work& work : node.work) {
    if (const auto* pass = std::get_if<Pass>(&work)) {
      for (const int number : {pass->sequence.value, pass->begin, pass->drafts, pass->outputs}) digest.add(number);
      digest.add(pass->tokens);
    } else {
      const auto& proposal = std::get<Proposal>(work);
      for (const int number : {proposal.sequence.value, proposal.length, proposal.max_tokens}) digest.add(number);
    }
  }
  for (const decoding::Guess& result : node.results) {
    digest.add(result.tokens);
    digest.add(std::span<const decoding::Confidence>(result.confidences));
  }
  node.digest = digest.value();
  return digest.value();
}

std::uint64_t VirtualPipeline::digest() const {
  decoding::Digest digest;
  for (const auto& queue : links_) {
    digest.add(std::ssize(*queue));
    for (const Message& message : *queue) digest.add(message);
  }
  for (int s = 0; s < stages(); ++s) digest.add(static_cast<std::int64_t>(this->digest(s)));
  for (const auto& [_, output] : *outputs_) digest.add(output.finished);
  return digest.value();
}

}  // namespace pipespec::testing
