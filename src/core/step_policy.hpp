/// When a stage steps, and how many of its drafts it checks then.
#pragma once

namespace pipespec {

struct StepPolicy {
  enum class Kind {
    eager,      ///< at once, with the drafts at hand
    adaptive,   ///< when, and with as many drafts, as promises the most tokens per second
    lookahead,  ///< with `lookahead` - 1 drafts, or as many as come: the rule of the paper, blind to cost
  };
  Kind kind = Kind::adaptive;
  int lookahead = 0;  ///< of Kind::lookahead: tokens that a step may append, ≥ 1
};

}  // namespace pipespec
