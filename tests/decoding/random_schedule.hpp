/// A random case for the stage protocol, and a random schedule of its events, from one seed.
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
};

/// Draws everything from `seed`: 1 to 5 stages of any agreement, limits, prompts, up to 4 sequences in flight of which
/// some are abandoned, and the order of events, in which every link and device has a pace of its own. Runs it to the
/// shutdown. Throws ContractError where a property of protocol.md is broken, also if nothing can happen before the end.
class RandomSchedule {
 public:
  explicit RandomSchedule(std::uint64_t seed);
  ScheduleOutcome run();

 private:
  std::uint64_t bits();
  int pick(int first, int last);
  bool chance(double probability);
  template <class T, std::size_t n>
  T one_of(const std::array<T, n>& values);

  VirtualPipeline::Options draw_options();
  void draw_paces();
  bool drive_target();
  void start_sequence();
  Event pick_event(const std::vector<Event>& events);

  std::uint64_t state_;
  VirtualPipeline pipeline_;
  std::vector<int> device_pace_;  // [stages]
  std::vector<int> link_pace_;    // [from, to]
  int to_start_;
  int most_in_flight_;
  double abandon_rate_;
  std::vector<SequenceId> in_flight_;
  bool is_shut_down_ = false;
  ScheduleOutcome outcome_;
};

}  // namespace pipespec::testing
