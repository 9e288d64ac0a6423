/// What must hold at every stage at any moment, as code that a run can call.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/types.hpp"
#include "decoding/stage.hpp"
#include "decoding/work.hpp"

namespace pipespec::decoding {

/// Holds one stage against the protocol's invariants, those of one moment (sequence_state.hpp) and those that span
/// several: the target's view is final, epochs and confirmed lengths grow, and the cache, of which this keeps the
/// tokens, belongs to the view. Every driver of a stage calls it at the same places. A violation is a ContractError
/// `broken invariant: where, sequence, invariant`. Costs a comparison of each live sequence's tokens a call: about a
/// microsecond a thousand tokens. Copies are independent. Not thread-safe.
class InvariantChecker {
 public:
  /// `where` names the stage in messages: "rank 2, stage 1".
  explicit InvariantChecker(std::string where) : where_(std::move(where)) {}

  /// Whenever the stage has received a message, or been told to start, reuse or finish.
  void check(const Stage& stage);

  /// When next_work() has handed out `work`, before anything else happens.
  void check_begun(const Stage& stage, std::span<const Work> work);

  /// When next_work(), asked for whatever there is, has handed out nothing.
  void check_idle(const Stage& stage);

  /// When give_up() has returned `result`.
  void check_given_up(const Stage& stage, const Pass& pass, const StepResult& result);

  /// When complete() has returned `result`.
  void check_completed(const Stage& stage, const Work& work, const StepResult& result);

 private:
  /// What was seen of a live sequence.
  struct Seen {
    std::vector<Token> cached{};  // whose keys and values the model holds
    bool has_begun = false;       // a pass: until then the cache may be taken over from another sequence
    std::vector<Token> view{};    // at the target, where it is final
    Position confirmed = 0;
    Epoch epoch_in = 0;
    Epoch epoch_out = 0;
  };

  void check(const StageOptions& options, const SequenceState& state);
  void check_view(const StageOptions& options, const SequenceState& state) const;
  void check_drafts(const StageOptions& options, const SequenceState& state) const;
  void check_links(const StageOptions& options, const SequenceState& state) const;
  void check_cache(const SequenceState& state, Seen& seen) const;
  void check_offers(const SequenceState& state) const;
  void check_history(const StageOptions& options, const SequenceState& state, Seen& seen) const;
  void check_statistics(const LinkStatistics& statistics) const;
  void check_begun(const StageOptions& options, const SequenceState& state, const Pass& pass);
  void check_begun(const SequenceState& state, const Proposal& proposal) const;
  void require(bool condition, std::string_view invariant) const;

  std::string where_;
  SequenceId sequence_;  // the one being checked
  std::map<SequenceId, Seen> seen_;
};

}  // namespace pipespec::decoding
