/// Runs the stages of a pipeline in one thread, in any order of events, and checks at every event what must hold.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/lenience.hpp"
#include "core/trace.hpp"
#include "decoding/invariants.hpp"
#include "decoding/message.hpp"
#include "decoding/stage.hpp"
#include "decoding/work.hpp"
#include "support/copy_on_write.hpp"
#include "support/toy_model.hpp"

namespace pipespec::testing {

/// Something that may happen next.
struct Event {
  enum class Kind {
    deliver,   ///< the oldest message of a link arrives; the receiving stage may be in the middle of a pass
    begin,     ///< a stage whose device is free asks for work
    complete,  ///< a stage's work is done
    give_up,   ///< a stage stops its work, which messages have voided
  };
  Kind kind = Kind::begin;
  int stage = 0;  ///< where it happens
  int from = 0;   ///< deliver: the sender
  bool operator==(const Event&) const = default;
};

/// A chain of stages with toy models, joined by links that keep order and delay at will. Whoever drives it chooses
/// among events(). Copies are independent and share what they have not changed, so that an explorer can branch.
///
/// The caches hold what real ones would: an entry a position, made from the entry before it and the row's token, and a
/// pass computes its tokens from the entries alone. A cache that does not hold the view's text therefore shows twice:
/// decoding::InvariantChecker, which is called at every event, compares the tokens, and the output is another.
///
/// Throws ContractError where a property of the protocol is broken.
class VirtualPipeline {
 public:
  using Proposer = std::function<decoding::Guess(std::span<const Token> view, int max_tokens)>;

  struct Options {
    decoding::Schedule schedule = decoding::Schedule::pipelined;
    int window = 16;
    int max_rows = 128;
    int max_ahead = 64;
    int lookahead = 8;
    bool checks_some = false;        ///< a pass checks as many of the drafts at hand as the state of its stage decides,
                                     ///< and so a stage sometimes abstains
    std::vector<Lenience> lenience;  ///< [stages]; strict where it ends early
    bool tells_confidences = false;  ///< how sure the toy models are of their tokens
    Position reused = 0;             ///< tokens of every prompt that the caches hold from an earlier one
    ToyModels models;                ///< one more stage than `models.agreement` has numbers
    Proposer proposer;               ///< stands in for the model of stage 0, if set
  };

  explicit VirtualPipeline(const Options& options);

  /// What the target's driver may do at any time.
  SequenceId start(std::vector<Token> prompt, Position max_length);
  void finish(SequenceId sequence);
  void shut_down();

  /// What can happen next, but for `begin` events that are known to find no work.
  std::vector<Event> events() const;

  /// False if nothing happened: a stage asked for work and there was none.
  bool perform(const Event& event);

  /// The last message of every link has arrived and nobody works.
  bool is_closed() const;
  bool is_shut_down() const { return is_shut_down_; }

  /// Whether every link that may ever bring `stage` a message has one on it.
  bool is_fed(int stage) const;

  /// Target's tokens of a sequence so far, without the prompt. A sequence that ended by itself is finished at once.
  std::span<const Token> output(SequenceId sequence) const { return outputs_->at(sequence.value).tokens; }
  bool is_finished(SequenceId sequence) const { return outputs_->at(sequence.value).finished; }
  std::optional<FinishReason> finish_reason(SequenceId sequence) const { return outputs_->at(sequence.value).reason; }

  /// Of a sequence that has ended at `stage`.
  const LinkStatistics& statistics(int stage, SequenceId sequence) const;

  int stages() const { return static_cast<int>(nodes_.size()); }
  const decoding::Stage& stage(int index) const { return nodes_.at(index)->stage; }
  bool is_busy(int index) const { return !nodes_.at(index)->work.empty(); }

  /// Hashes of all that the future depends on: of the pipeline, and of what is at one stage.
  std::uint64_t digest() const;
  std::uint64_t digest(int stage) const;

 private:
  struct Node {
    decoding::Stage stage;
    decoding::InvariantChecker checker;
    std::map<std::int32_t, std::vector<ToyText>> caches{};  // by sequence
    std::vector<decoding::Work> work{};
    std::vector<decoding::Guess> results{};  // of each of `work`, already known
    bool is_waiting = false;                 // asked for work in vain, and nothing has happened since
    std::map<std::int32_t, LinkStatistics> ended{};
    mutable std::optional<std::uint64_t> digest{};  // once asked for, until the next change
  };
  struct Output {
    std::vector<Token> tokens{};
    std::vector<Token> expected{};  // the target's own continuation
    bool finished = false;
    std::optional<FinishReason> reason{};
  };
  using Link = std::deque<decoding::Message>;

  bool is_target(int index) const { return index == stages() - 1; }
  Node& change(int index);
  void deliver(int from, int to);
  bool begin(int index);
  static bool some_abstain(decoding::Stage& stage);
  std::vector<decoding::Choice> some_drafts(const decoding::Stage& stage) const;
  void complete(int index);
  void give_up(int index);
  bool is_void(int index) const;
  decoding::Guess compute(int index, Node& node, const decoding::Work& work) const;
  void check_appended(int index, SequenceId sequence, std::span<const Token> drafts,
                      std::span<const Token> appended) const;
  void take_result(int index, const decoding::Work& work, const decoding::StepResult& result);
  void after_event(int index);
  void admit(Node& node) const;
  void check_agreement(int lower) const;
  Link& change_link(int from, int to) { return links_[from * stages() + to].write(); }
  const Link& link(int from, int to) const { return *links_[from * stages() + to]; }

  std::shared_ptr<const Options> options_;
  std::vector<CopyOnWrite<Node>> nodes_;
  std::vector<CopyOnWrite<Link>> links_;  // [from, to]
  CopyOnWrite<std::map<std::int32_t, Output>> outputs_;
  bool is_shut_down_ = false;
};

}  // namespace pipespec::testing
