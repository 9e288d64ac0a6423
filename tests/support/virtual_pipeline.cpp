#include "support/virtual_pipeline.hpp"

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

VirtualPipeline::VirtualPipeline(const Options& options) : options_(std::make_shared<const Options>(options)) {
  const int count = static_cast<int>(options.models.agreement.size()) + 1;
  for (int s = 0; s < count; ++s) {
    nodes_.push_back({decoding::Stage({.index = {s},
                                       .stages = count,
                                       .schedule = options.schedule,
                                       .window = options.window,
                                       .max_rows = options.max_rows,
                                       .max_ahead = options.max_ahead,
                                       .lookahead = options.lookahead,
                                       .has_model = s > 0 || !options.proposer,
                                       .end_tokens = {options.models.end_token}})});
  }
  links_.resize(count * count);
}

// ------------------------------------------------------------------------------------------- the target's driver

SequenceId VirtualPipeline::start(std::vector<Token> prompt, Position max_length) {
  const SequenceId sequence = nodes_.back().stage.start(prompt, max_length);
  std::vector<Token> expected = options_->models.autoregressive(prompt, max_length);
  outputs_[sequence.value] = {.max_length = max_length, .tokens = {}, .expected = std::move(expected)};
  after_event(stages() - 1);
  return sequence;
}

void VirtualPipeline::finish(SequenceId sequence) {
  outputs_.at(sequence.value).finished = true;
  nodes_.back().stage.finish(sequence);
  after_event(stages() - 1);
}

void VirtualPipeline::shut_down() {
  nodes_.back().stage.shut_down();
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
    } else if (!nodes_[s].is_waiting) {
      events.push_back({Event::Kind::begin, s});
    }
  }
  return events;
}

bool VirtualPipeline::perform(const Event& event) {
  if (event.kind == Event::Kind::begin) {
    const bool happened = begin(event.stage);
    if (!happened) nodes_[event.stage].is_waiting = true;
    return happened;
  }
  if (event.kind == Event::Kind::deliver) {
    deliver(event.from, event.stage);
  } else {
    complete(event.stage);
  }
  after_event(event.stage);
  return true;
}

void VirtualPipeline::deliver(int from, int to) {
  expect(!link(from, to).empty(), "a message is on its way");
  const Message message = std::move(link(from, to).front());
  link(from, to).pop_front();
  decoding::Stage& stage = nodes_[to].stage;
  const auto ended = std::visit(
      [&](const auto& m) {
        if constexpr (requires { m.sequence; }) {
          return nodes_[to].ended.contains(m.sequence.value);
        } else {
          return false;
        }
      },
      message);
  const std::uint64_t before = ended ? stage.digest() : 0;
  stage.receive({from}, message);
  if (ended) expect(stage.digest() == before, "quiescence: a message of a finished sequence changes nothing");
}

bool VirtualPipeline::begin(int index) {
  Node& node = nodes_[index];
  expect(node.work.empty(), "a device does one thing at a time");
  auto work = node.stage.next_work();
  if (work.empty()) {
    const bool may_wait = !is_target(index) || options_->schedule == decoding::Schedule::synchronous;
    expect(may_wait || node.stage.live().empty(), "progress: the target never waits");
    return false;
  }
  std::size_t rows = 0;
  for (const decoding::Work& step : work) {
    if (const auto* pass = std::get_if<Pass>(&step)) {
      rows += pass->tokens.size();
      node.results.push_back(compute(index, *pass));
    } else {
      const auto& proposal = std::get<Proposal>(step);
      const auto view = node.stage.find(proposal.sequence)->view();
      expect(proposal.length == std::ssize(view) && proposal.max_tokens > 0, "a proposal has room after the view");
      node.results.push_back(options_->proposer(view, proposal.max_tokens));
    }
  }
  expect(rows <= static_cast<std::size_t>(options_->max_rows), "bounded: rows of a pass");
  node.work = std::move(work);
  return true;
}

/// Cuts the cache to the pass's begin, fills it with the rows and reads the outputs from it.
std::vector<Token> VirtualPipeline::compute(int index, const Pass& pass) {
  Node& node = nodes_[index];
  const SequenceState& state = *node.stage.find(pass.sequence);
  const auto view = state.view();
  const auto rows = std::ssize(pass.tokens);
  auto& cache = node.caches[pass.sequence.value];
  expect(pass.begin == state.kv_length() && pass.begin <= std::ssize(cache), "KV truth: a pass goes on from the cache");
  expect(rows > 0 && pass.outputs <= rows && pass.drafts <= std::max(0, pass.outputs - 1), "a pass has rows");
  expect(pass.outputs <= options_->window, "bounded: outputs of a pass fit the window");
  expect(pass.begin + rows <= outputs_.at(pass.sequence.value).max_length, "bounded: KV slots");
  cache.resize(pass.begin);
  for (std::ptrdiff_t i = 0; i < rows; ++i) {
    const std::ptrdiff_t own = std::ssize(view) - pass.begin;  // rows of the view; the rest are drafts
    const Token token = i < own ? view[pass.begin + i] : state.drafts()[i - own];
    expect(pass.tokens[i] == token, "KV truth: rows are the view's tokens, then drafts");
    cache.push_back({token, cache.empty() ? ToyText{}.followed_by(token) : cache.back().text.followed_by(token)});
  }
  std::vector<Token> result;
  for (std::ptrdiff_t i = rows - pass.outputs; i < rows; ++i) {
    result.push_back(options_->models.next(index, cache[pass.begin + i].text));
  }
  return result;
}

void VirtualPipeline::complete(int index) {
  Node& node = nodes_[index];
  expect(!node.work.empty(), "work is outstanding");
  const auto results = std::exchange(node.results, {});
  const auto work = std::exchange(node.work, {});
  for (std::size_t i = 0; i < work.size(); ++i) {
    const auto result = std::visit([&](const auto& w) { return node.stage.complete(w, results[i]); }, work[i]);
    take_result(index, work[i], result);
  }
}

void VirtualPipeline::take_result(int index, const decoding::Work& work, const StepResult& result) {
  const SequenceId sequence = sequence_of(work);
  const SequenceState* state = nodes_[index].stage.find(sequence);
  if (state == nullptr) {
    expect(result.void_ && result.appended.empty(), "quiescence: work of a finished sequence is void");
    return;
  }
  const bool is_guess = std::holds_alternative<Proposal>(work);
  ToyText text = ToyText::of(state->view().first(state->view().size() - result.appended.size()));
  for (const Token token : result.appended) {
    expect(is_guess || token == options_->models.next(index, text), "a step appends the stage's own tokens");
    text = text.followed_by(token);
  }
  if (!is_target(index)) return;
  const bool is_step = std::get<Pass>(work).outputs > 0;
  expect(!is_step || (!result.void_ && !result.appended.empty()), "progress: a step of the target appends a token");
  Output& output = outputs_.at(sequence.value);
  const auto view = state->view();
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
  Node& node = nodes_[index];
  node.is_waiting = false;
  for (auto& outgoing : node.stage.take_outgoing()) {
    link(index, outgoing.to.value).push_back(std::move(outgoing.message));
  }
  for (auto& ended : node.stage.take_ended()) {
    node.ended.emplace(ended.sequence.value, std::move(ended.statistics));
    node.caches.erase(ended.sequence.value);
  }
  admit(index);
  check(index);
  check_agreement(index - 1);
  check_agreement(index);
}

/// A new sequence takes over what the cache holds of its prompt.
void VirtualPipeline::admit(int index) {
  Node& node = nodes_[index];
  for (const SequenceId sequence : node.stage.live()) {
    const auto [cache, is_new] = node.caches.try_emplace(sequence.value);
    if (!is_new) continue;
    const SequenceState& state = *node.stage.find(sequence);
    const Position reused = std::min(options_->reused, state.prompt_length() - 1);
    for (const Token token : state.view().first(reused)) {
      const ToyText before = cache->second.empty() ? ToyText{} : cache->second.back().text;
      cache->second.push_back({token, before.followed_by(token)});
    }
    node.stage.reuse(sequence, reused);
  }
}

void VirtualPipeline::check(int index) const {
  const Node& node = nodes_[index];
  const Position most_drafts = options_->schedule == decoding::Schedule::pipelined
                                   ? options_->max_ahead + options_->window
                                   : options_->lookahead + stages();
  for (const SequenceId sequence : node.stage.live()) {
    const SequenceState& state = *node.stage.find(sequence);
    const auto view = state.view();
    const auto cache = node.caches.find(sequence.value);
    const auto cached = cache == node.caches.end() ? std::span<const Cached>() : std::span(cache->second);
    expect(state.kv_length() <= std::ssize(view) && state.kv_length() <= std::ssize(cached),
           "KV truth: kv_length is computed and of the view");
    for (Position i = 0; i < state.kv_length(); ++i) {
      expect(cached[i].token == view[i], "KV truth: the cache holds the view's tokens below kv_length");
    }
    expect(std::ssize(state.drafts()) <= most_drafts, "bounded: drafts");
  }
}

/// Where nothing is on its way between two stages, the upper one knows the lower one's view as far as it has room, and
/// the lower one is not behind. (A synchronous stage keeps its tokens until it hands the turn on.)
void VirtualPipeline::check_agreement(int lower) const {
  if (options_->schedule != decoding::Schedule::pipelined || lower < 0 || is_target(lower)) return;
  if (!link(lower, lower + 1).empty() || !link(lower + 1, lower).empty()) return;
  for (const SequenceId sequence : nodes_[lower].stage.live()) {
    const SequenceState& below = *nodes_[lower].stage.find(sequence);
    const SequenceState* above = nodes_[lower + 1].stage.find(sequence);
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
                     [](const Node& n) { return n.stage.is_closed() && n.work.empty(); }) &&
         std::all_of(links_.begin(), links_.end(), [](const auto& queue) { return queue.empty(); });
}

const LinkStatistics& VirtualPipeline::statistics(int stage, SequenceId sequence) const {
  return nodes_.at(stage).ended.at(sequence.value);
}

std::uint64_t VirtualPipeline::digest() const {
  decoding::Digest digest;
  for (const auto& queue : links_) {
    digest.add(std::ssize(queue));
    for (const Message& message : queue) digest.add(message);
  }
  for (const Node& node : nodes_) {
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
    for (const auto& result : node.results) digest.add(result);
  }
  for (const auto& [sequence, output] : outputs_) digest.add(output.finished);
  return digest.value();
}

}  // namespace pipespec::testing
