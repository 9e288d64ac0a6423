/// Every schedule of a small pipeline.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "support/virtual_pipeline.hpp"

namespace pipespec::testing {

/// When the target starts its sequences, and whether it may abandon them.
enum class Starts { at_once, at_any_moment };
enum class Abandons { nothing, anything_at_any_moment };

struct ExplorerCase {
  VirtualPipeline::Options options;
  int sequences = 1;
  Position prompt = 2;
  Position output = 3;
  Starts starts = Starts::at_once;
  Abandons abandons = Abandons::nothing;
};

/// Which of the schedules that differ only in the order of independent events are left out. Events of different stages
/// are independent: a link is a queue, and putting a message in at one end commutes with taking one out at the other.
enum class Reduction {
  none,
  /// Every state is visited, but not on every way (P. Godefroid, "Partial-order methods for the verification of
  /// concurrent systems", 1996, chapter 5, with state matching).
  sleep_sets,
  /// Of every set of equivalent schedules at least one (chapter 4, with sleep sets): where every link into a stage
  /// holds a message, nothing that others do can touch what this stage does next, so only its events are tried. Each
  /// stage is seen in every state that it can be in, though not every combination of them.
  persistent_sets,
};

struct Exploration {
  std::size_t states = 0;                          ///< distinct ones
  std::size_t transitions = 0;                     ///< performed
  int depth = 0;                                   ///< events of the longest schedule
  std::unordered_set<std::uint64_t> stage_states;  ///< digests of what each stage was in
};

/// Visits the states that orders of events reach, each once, until nothing is left. VirtualPipeline checks them.
/// ContractError where a property is broken, also where a schedule stops before the end.
class Explorer {
 public:
  Explorer(const ExplorerCase& c, Reduction reduction);
  Exploration run();

 private:
  using Transitions = std::uint64_t;  ///< a set, by number

  struct State {
    VirtualPipeline pipeline;
    std::vector<SequenceId> started{};
    int depth = 0;
    Transitions asleep = 0;  ///< their schedules are explored elsewhere
    Transitions wanted = 0;  ///< to be tried
  };
  struct Transition {
    enum class Kind { event, start, abandon };
    Kind kind = Kind::event;
    int number = 0;  ///< in Transitions
    int stage = 0;
    Event event = {};
    SequenceId sequence = {};
  };

  std::vector<Transition> enabled(const State& state) const;
  bool perform(State& state, const Transition& transition) const;
  bool has_ended(const State& state) const;
  Transitions transitions_of(int stage) const;
  Transitions persistent(const State& state, const std::vector<Transition>& enabled) const;
  void expand(const State& state);
  void visit(State state);

  const ExplorerCase& case_;
  Reduction reduction_;
  int stages_;
  std::vector<State> open_;
  std::unordered_map<std::uint64_t, Transitions> visited_;  ///< what sleeps there, by digest
  Exploration result_;
};

}  // namespace pipespec::testing
