/// A random case for the stage protocol, and a random schedule of its events.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "support/virtual_pipeline.hpp"

namespace pipespec::testing {

/// What a schedule came to.
struct ScheduleOutcome {
  std::int64_t events = 0;
  std::int64_t abandoned = 0;
  std::vector<std::vector<Token>> outputs;  ///< [sequences] in the order of their start; empty if abandoned
};

/// Draws the target and the prompts from `text_seed`, and the rest from `seed`: 1 to 5 stages of any agreement and
/// lenience, limits, up to 4 sequences in flight of which some are abandoned, and the order of events, in which every
/// link and device has a pace of its own. Runs it to the shutdown. Throws ContractError where a property of the
/// protocol is broken, also if nothing can happen before the end.
class RandomSchedule {
 public:
  RandomSchedule(std::uint64_t text_seed, std::uint64_t seed);
  ScheduleOutcome run();

 private:
  /// splitmix64 (S. Vigna): the same numbers with every standard library.
  class Random {
   public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t bits();
    int pick(int first, int last);
    bool chance(double probability);
    template <class T, std::size_t n>
    T one_of(const std::array<T, n>& values) {
      return values[bits() % n];
    }

   private:
    std::uint64_t state_;
  };

  VirtualPipeline::Options draw_options();
  void draw_proposer(VirtualPipeline::Options& options);
  void draw_paces();
  bool drive_target();
  void start_sequence();
  Event pick_event(const std::vector<Event>& events);

  Random text_;
  Random random_;
  VirtualPipeline pipeline_;
  std::vector<int> device_pace_;  // [stages]
  std::vector<int> link_pace_;    // [from, to]
  int to_start_;
  int most_in_flight_;
  double abandon_rate_;
  std::vector<SequenceId> started_;
  std::vector<SequenceId> in_flight_;
  bool is_shut_down_ = false;
  ScheduleOutcome outcome_;
};

}  // namespace pipespec::testing
