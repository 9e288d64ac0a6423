/// What a stage asks its device to compute, and what came of it.
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "core/trace.hpp"
#include "core/types.hpp"
#include "decoding/confidence.hpp"

namespace pipespec::decoding {

/// A step that a sequence could take now.
struct Candidate {
  SequenceId sequence;
  int rows = 0;                 ///< of the view, which a pass has to compute; 0 for a drafter without a model
  int drafts = 0;               ///< of the stage below that are worth a row: what follows them can be committed
  bool is_prefill = false;      ///< the rows begin in the prompt
  bool expects_drafts = false;  ///< the stage below may still send drafts that follow those at hand
  int ahead = 0;                ///< tokens of the view past what the stage above is known to have
  bool may_abstain = false;     ///< which would tell the stage above something (SequenceState::abstain)
  double doubt = 0;  ///< of a lenient stage in its first draft: by how much more often its own token is right
  std::span<const Confidence> of_drafts = {};  ///< [drafts] their confidences, as long as the state does not change
  std::span<const Confidence> of_ahead = {};   ///< [ahead] likewise
};

/// The most that a step may take.
struct StepLimits {
  int rows = std::numeric_limits<int>::max();    ///< of the view; where it has more, the step only fills the cache
  int drafts = std::numeric_limits<int>::max();  ///< checked beside them
};

/// The rows of one sequence in a forward pass of a model.
struct Pass {
  SequenceId sequence;
  Position begin = 0;         ///< position of the first row; equals the sequence's kv_length
  std::vector<Token> tokens;  ///< [rows] view tokens not yet in the KV cache, then drafts of the stage below
  int drafts = 0;             ///< how many of the last rows are drafts
  int outputs = 1;            ///< rows at the end that want their next token: drafts + 1, or 0 to only fill the cache
  StepKind kind = StepKind::draft;
  std::vector<Confidence> of_drafts = {};  ///< [drafts]
};

/// One guess of a drafter that has no model: up to `max_tokens` tokens after the first `length` of its view. Void if
/// the view changes meanwhile.
struct Proposal {
  SequenceId sequence;
  Position length = 0;
  int max_tokens = 0;
};

using Work = std::variant<Pass, Proposal>;

inline SequenceId sequence_of(const Work& work) {
  return std::visit([](const auto& w) { return w.sequence; }, work);
}

/// What came of a pass or a proposal: the tokens, and how sure of them is who found them.
struct Guess {
  std::vector<Token> tokens;
  std::vector<Confidence> confidences = {};  ///< [tokens], or none
};

/// What a completed pass or proposal did to the stage's view.
struct StepResult {
  std::vector<Token> appended;           ///< tokens appended to the view
  int accepted = 0;                      ///< drafts of the pass that stand: the stage's own tokens, or kept by lenience
  int wasted = 0;                        ///< rows of the pass that were discarded
  bool void_ = false;                    ///< a correction that arrived meanwhile had changed the text under the pass
  std::optional<FinishReason> finished;  ///< only at the target: the sequence ended with this step
};

}  // namespace pipespec::decoding
