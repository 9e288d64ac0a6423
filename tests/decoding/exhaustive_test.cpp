/// The properties of protocol.md over every schedule of small cases. VirtualPipeline checks them at every event.
#include <gtest/gtest.h>

#include <cstddef>
#include <iostream>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "support/virtual_pipeline.hpp"

namespace pipespec::testing {
namespace {

using decoding::Schedule;

enum class Abandon { never, at_any_moment };

struct Case {
  VirtualPipeline::Options options;
  int sequences = 1;
  Position prompt = 2;
  Position output = 3;
  Abandon abandon = Abandon::never;
};

/// Visits every state that some order of events reaches, each once.
class Explorer {
 public:
  explicit Explorer(const Case& c) : case_(c) {}

  std::size_t count_states() {
    VirtualPipeline start(case_.options);
    for (int i = 0; i < case_.sequences; ++i) {
      std::vector<Token> prompt(case_.prompt, 1);
      prompt.back() += i;
      sequences_.push_back(start.start(std::move(prompt), case_.prompt + case_.output));
    }
    visit(std::move(start));
    while (!open_.empty()) {
      const VirtualPipeline state = std::move(open_.back());
      open_.pop_back();
      expand(state);
    }
    return visited_.size();
  }

 private:
  void visit(VirtualPipeline state) {
    if (visited_.insert(state.digest()).second) open_.push_back(std::move(state));
  }

  void expand(const VirtualPipeline& state) {
    bool can_go_on = false;
    for (const Event& event : state.events()) {
      VirtualPipeline next = state;
      if (!next.perform(event)) continue;
      can_go_on = true;
      finish_up(state, next);
      visit(std::move(next));
    }
    expect(can_go_on || state.is_closed(), "no deadlock: something can happen until all is closed");
    if (case_.abandon == Abandon::never) return;
    for (const SequenceId sequence : sequences_) {
      if (state.is_finished(sequence)) continue;
      VirtualPipeline next = state;
      next.finish(sequence);
      finish_up(state, next);
      visit(std::move(next));
    }
  }

  /// The target shuts down with its last sequence.
  void finish_up(const VirtualPipeline& before, VirtualPipeline& after) const {
    if (!all_finished(before) && all_finished(after)) after.shut_down();
  }

  bool all_finished(const VirtualPipeline& state) const {
    for (const SequenceId sequence : sequences_) {
      if (!state.is_finished(sequence)) return false;
    }
    return true;
  }

  const Case& case_;
  std::vector<SequenceId> sequences_;
  std::vector<VirtualPipeline> open_;
  std::unordered_set<std::uint64_t> visited_;
};

/// Explores the case with several sets of toy models, so that drafts are right and wrong in different places.
void explore(Case c, int model_sets) {
  std::size_t states = 0;
  for (int seed = 1; seed <= model_sets; ++seed) {
    c.options.models.seed = seed;
    ASSERT_NO_THROW(states += Explorer(c).count_states()) << "with toy models of seed " << seed;
  }
  ::testing::Test::RecordProperty("states", std::to_string(states));
  std::cout << states << " distinct states\n";
}

VirtualPipeline::Options small(std::vector<double> agreement) {
  VirtualPipeline::Options options;
  options.window = 3;
  options.max_ahead = 2;
  options.lookahead = 2;
  options.models.vocabulary = 3;
  options.models.agreement = std::move(agreement);
  return options;
}

TEST(EverySchedule, OfTwoStages) {
  explore({.options = small({0.6}), .output = 6}, 6);
}

TEST(EverySchedule, OfThreeStages) {
  explore({.options = small({0.5, 0.7}), .output = 3}, 2);
}

TEST(EverySchedule, OfTwoSequencesInFlight) {
  explore({.options = small({0.6}), .sequences = 2, .output = 3}, 1);
}

TEST(EverySchedule, OfADrafterWithoutAModel) {
  auto options = small({0.6});
  options.proposer = [models = options.models](std::span<const Token> view, int most) {
    ToyText text = ToyText::of(view);
    std::vector<Token> guess(text.hash % (most + 1));
    for (Token& token : guess) text = text.followed_by(token = models.next(0, text));
    return guess;
  };
  explore({.options = options, .output = 6}, 6);
}

TEST(EverySchedule, OfASequenceAbandonedAtAnyMoment) {
  explore({.options = small({0.6}), .output = 4, .abandon = Abandon::at_any_moment}, 4);
}

TEST(EverySchedule, OfTheSynchronousChain) {
  auto options = small({0.6, 0.7});
  options.schedule = Schedule::synchronous;
  explore({.options = options, .output = 8}, 8);
}

}  // namespace
}  // namespace pipespec::testing
