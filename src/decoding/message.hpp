/// The messages that the stages of a pipeline exchange.
///
/// Tokens travel up the hierarchy, from a stage to the next larger one; corrections and progress come back down. The
/// target starts and finishes sequences. A link must keep the order of its messages; nothing else is asked of it.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "core/types.hpp"
#include "decoding/confidence.hpp"

namespace pipespec::decoding {

/// s → s+1: "my view goes on with these tokens from `position`". Stamped with the last epoch that s has processed. No
/// tokens: "I have no guess how it goes on", or in the synchronous schedule just the turn.
struct Tokens {
  SequenceId sequence;
  Epoch epoch = 0;
  Position position = 0;
  Position round = 0;  ///< synchronous schedule: the confirmed length this burst builds on; its receiver has the turn
  std::vector<Token> tokens;
  std::vector<Confidence> confidences = {};  ///< [tokens], or none
  friend bool operator==(const Tokens&, const Tokens&) = default;
};

/// s+1 → s, the rollback notice: "from `position` on the text is `tokens`; forget what differs; answer in `epoch`".
struct Correction {
  SequenceId sequence;
  Epoch epoch = 0;
  Position position = 0;
  Position confirmed = 0;  ///< leading tokens known to be the target's
  std::vector<Token> tokens;
  friend bool operator==(const Correction&, const Correction&) = default;
};

/// s+1 → s: "my view is `position` + tokens long". The tokens are those that s has not streamed up yet: a stage that
/// has fallen behind, or has nothing to guess, goes on from them without a rollback.
struct Progress {
  SequenceId sequence;
  Position position = 0;
  Position confirmed = 0;  ///< leading tokens known to be the target's
  std::vector<Token> tokens;
  friend bool operator==(const Progress&, const Progress&) = default;
};

/// target → all: begin a sequence. Sequence ids grow.
struct Start {
  SequenceId sequence;
  Position max_length = 0;  ///< prompt and output together never grow past this
  std::vector<Token> prompt;
  friend bool operator==(const Start&, const Start&) = default;
};

/// target → all: drop the sequence; nothing that still arrives about it matters.
struct Finish {
  SequenceId sequence;
  friend bool operator==(const Finish&, const Finish&) = default;
};

/// The last message of a link. target → all: no more sequences; everybody answers on its own links.
struct Shutdown {
  friend bool operator==(const Shutdown&, const Shutdown&) = default;
};

using Message = std::variant<Tokens, Correction, Progress, Start, Finish, Shutdown>;

/// The sequence a message is about; Shutdown is about none.
inline std::optional<SequenceId> sequence_of(const Message& message) {
  return std::visit(
      [](const auto& m) -> std::optional<SequenceId> {
        if constexpr (requires { m.sequence; }) return m.sequence;
        return std::nullopt;
      },
      message);
}

/// A message and the stage it goes to.
struct Outgoing {
  StageIndex to;
  Message message;
};

}  // namespace pipespec::decoding
