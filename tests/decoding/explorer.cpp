#include "explorer.hpp"

#include <algorithm>
#include <utility>

#include "core/error.hpp"

namespace pipespec::testing {

namespace {

// The numbers of transitions: a device's step at its stage, its giving up, the target's acts, then the deliveries by
// link.
constexpr int most_stages = 6;
constexpr int give_up_number = most_stages;
constexpr int start_number = give_up_number + most_stages;
constexpr int abandon_number = start_number + 1;
constexpr int deliver_number = 20;

}  // namespace

Explorer::Explorer(const ExplorerCase& c, Reduction reduction)
    : case_(c), reduction_(reduction), stages_(static_cast<int>(c.options.models.agreement.size()) + 1) {
  expect(stages_ * stages_ <= 64 - deliver_number && c.sequences <= deliver_number - abandon_number,
         "a set of transitions has 64 members");
}

Exploration Explorer::run() {
  State first{VirtualPipeline(case_.options)};
  const int at_once = case_.starts == Starts::at_once ? case_.sequences : 1;
  for (int i = 0; i < at_once; ++i) perform(first, {.kind = Transition::Kind::start});
  visit(std::move(first));
  while (!open_.empty()) {
    const State state = std::move(open_.back());
    open_.pop_back();
    expand(state);
  }
  result_.states = visited_.size();
  return std::move(result_);
}

std::vector<Explorer::Transition> Explorer::enabled(const State& state) const {
  std::vector<Transition> all;
  for (const Event& event : state.pipeline.events()) {
    const int number = event.kind == Event::Kind::deliver   ? deliver_number + event.from * stages_ + event.stage
                       : event.kind == Event::Kind::give_up ? give_up_number + event.stage
                                                            : event.stage;
    all.push_back({Transition::Kind::event, number, event.stage, event});
  }
  const int target = stages_ - 1;
  if (std::ssize(state.started) < case_.sequences) all.push_back({Transition::Kind::start, start_number, target});
  for (int i = 0; case_.abandons == Abandons::anything_at_any_moment && i < std::ssize(state.started); ++i) {
    if (state.pipeline.is_finished(state.started[i])) continue;
    all.push_back({Transition::Kind::abandon, abandon_number + i, target, {}, state.started[i]});
  }
  return all;
}

/// False if nothing happened. The target shuts down with its last sequence.
bool Explorer::perform(State& state, const Transition& transition) const {
  switch (transition.kind) {
    case Transition::Kind::event:
      if (!state.pipeline.perform(transition.event)) return false;
      break;
    case Transition::Kind::start: {
      std::vector<Token> prompt(case_.prompt, 1);
      prompt.back() += static_cast<Token>(state.started.size());
      state.started.push_back(state.pipeline.start(std::move(prompt), case_.prompt + case_.output));
      return true;
    }
    case Transition::Kind::abandon:
      state.pipeline.finish(transition.sequence);
      break;
  }
  if (transition.stage == stages_ - 1 && has_ended(state)) state.pipeline.shut_down();
  return true;
}

bool Explorer::has_ended(const State& state) const {
  return std::ssize(state.started) == case_.sequences && !state.pipeline.is_shut_down() &&
         std::all_of(state.started.begin(), state.started.end(),
                     [&](SequenceId sequence) { return state.pipeline.is_finished(sequence); });
}

Explorer::Transitions Explorer::transitions_of(int stage) const {
  Transitions all = Transitions{1} << stage | Transitions{1} << (give_up_number + stage);
  if (stage == stages_ - 1) all |= (Transitions{1} << deliver_number) - (Transitions{1} << start_number);
  for (int from = 0; from < stages_; ++from) all |= Transitions{1} << (deliver_number + from * stages_ + stage);
  return all;
}

/// A persistent set: all transitions of the stage that has the fewest, of those that nobody can give another; else all.
Explorer::Transitions Explorer::persistent(const State& state, const std::vector<Transition>& enabled) const {
  Transitions best = ~Transitions{0};
  std::ptrdiff_t fewest = std::ssize(enabled);
  for (int stage = 0; reduction_ == Reduction::persistent_sets && stage < stages_; ++stage) {
    const bool is_fed = state.pipeline.is_fed(stage);
    const auto count = std::count_if(enabled.begin(), enabled.end(), [&](const auto& t) { return t.stage == stage; });
    if (!is_fed || count >= fewest) continue;
    fewest = count;
    best = transitions_of(stage);
  }
  return best;
}

void Explorer::expand(const State& state) {
  const std::vector<Transition> transitions = enabled(state);
  const Transitions chosen = persistent(state, transitions) & state.wanted;
  Transitions asleep = state.asleep;
  bool can_go_on = false;
  for (const Transition& transition : transitions) {
    const Transitions bit = Transitions{1} << transition.number;
    if ((chosen & bit) == 0 || (asleep & bit) != 0) {
      can_go_on |= (asleep & bit) != 0;
      continue;
    }
    State next = state;
    if (!perform(next, transition)) continue;
    can_go_on = true;
    ++result_.transitions;
    ++next.depth;
    next.asleep = asleep & ~transitions_of(transition.stage);
    visit(std::move(next));
    if (reduction_ != Reduction::none) asleep |= bit;
  }
  const bool is_first_time = state.wanted == ~Transitions{0};
  expect(can_go_on || !is_first_time || state.pipeline.is_closed(),
         "no deadlock: something can happen until all is closed");
}

/// Puts the state on the list if it is new, or if a transition slept at all earlier visits and is awake now.
void Explorer::visit(State state) {
  const auto [known, is_new] = visited_.try_emplace(state.pipeline.digest(), state.asleep);
  state.wanted = is_new ? ~Transitions{0} : known->second & ~state.asleep;
  known->second &= state.asleep;
  result_.depth = std::max(result_.depth, state.depth);
  if (is_new) {
    for (int stage = 0; stage < stages_; ++stage) result_.stage_states.insert(state.pipeline.digest(stage));
  }
  if (state.wanted != 0) open_.push_back(std::move(state));
}

}  // namespace pipespec::testing
