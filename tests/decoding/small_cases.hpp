/// Pipelines small enough for all their schedules.
#pragma once

#include <gtest/gtest.h>

#include <iostream>
#include <span>
#include <utility>
#include <vector>

#include "explorer.hpp"

namespace pipespec::testing {

/// Toy models of three tokens, two tokens ahead at the most.
inline VirtualPipeline::Options small(std::vector<double> agreement) {
  VirtualPipeline::Options options;
  options.window = 3;
  options.max_ahead = 2;
  options.lookahead = 2;
  options.models.vocabulary = 3;
  options.models.agreement = std::move(agreement);
  return options;
}

/// Stage 0 guesses none to all of the tokens it is asked for.
inline VirtualPipeline::Options without_a_model(VirtualPipeline::Options options) {
  options.proposer = [models = options.models](std::span<const Token> view, int most) {
    ToyText text = ToyText::of(view);
    decoding::Guess guess{std::vector<Token>(text.hash % (most + 1))};
    for (Token& token : guess.tokens) text = text.followed_by(token = models.next(0, text));
    return guess;
  };
  return options;
}

/// Explores the case with several sets of toy models, so that drafts are right and wrong in different places.
inline void explore(ExplorerCase c, int model_sets, Reduction reduction = Reduction::sleep_sets) {
  std::size_t states = 0, transitions = 0;
  int depth = 0;
  for (int seed = 1; seed <= model_sets; ++seed) {
    c.options.models.seed = seed;
    Exploration explored;
    ASSERT_NO_THROW(explored = Explorer(c, reduction).run()) << "with toy models of seed " << seed;
    states += explored.states;
    transitions += explored.transitions;
    depth = std::max(depth, explored.depth);
  }
  std::cout << c.options.models.agreement.size() + 1 << " stages, " << c.sequences << " sequences of " << c.output
            << " tokens, " << model_sets << " sets of models: " << states << " states, " << transitions
            << " transitions, all schedules to their end, of up to " << depth << " events\n";
}

}  // namespace pipespec::testing
