#include "decoding/invariants.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "core/error.hpp"

namespace pipespec::decoding {

void InvariantChecker::require(bool condition, std::string_view invariant) const {
  if (!condition) [[unlikely]] {
    throw ContractError(fmt::format("broken invariant: {}, sequence {}: {}", where_, sequence_.value, invariant));
  }
}

void InvariantChecker::check(const Stage& stage) {
  std::erase_if(seen_, [&](const auto& entry) { return stage.find(entry.first) == nullptr; });
  sequence_ = stage.newest();
  require(stage.early_.empty() || stage.newest() < stage.early_.begin()->first,
          "quiescence: messages wait only for the start of their sequence");
  for (const auto& [sequence, state] : stage.sequences_) {
    sequence_ = sequence;
    check(stage.options(), state);
  }
}

void InvariantChecker::check(const StageOptions& options, const SequenceState& state) {
  Seen& seen = seen_[state.sequence_];
  check_view(options, state);
  check_drafts(options, state);
  check_links(options, state);
  check_cache(state, seen);
  check_offers(state);
  check_history(options, state, seen);
  check_statistics(state.statistics());
}

void InvariantChecker::check_view(const StageOptions& options, const SequenceState& state) const {
  require(state.prompt_length_ <= state.length() && state.length() <= state.max_length_,
          "bounded: a view is the prompt and what there is room for");
  // A stage below may go on behind an end token for a while: it takes over what the stage above reports past its view
  // before the correction of what lies below arrives.
  const auto output = state.view().subspan(state.prompt_length_);
  const auto is_end = [&](Token token) { return state.is_end_token(token); };
  require(!options.is_target() || output.empty() || std::none_of(output.begin(), output.end() - 1, is_end),
          "the end: nothing follows the target's end token");
  const bool must_work =
      options.is_target() && !state.is_synchronous() && !state.has_ended() && state.length() < state.max_length_;
  require(!must_work || state.outstanding_ || state.candidate(), "progress: the target never waits");
}

void InvariantChecker::check_drafts(const StageOptions& options, const SequenceState& state) const {
  const auto drafts = state.drafts();
  require(std::ssize(drafts) == std::max(0, state.received_ - state.length()),
          "drafts: they are what the stage below has streamed past the view");
  require(drafts.size() == state.draft_confidences().size() && state.view().size() == state.confidences().size(),
          "drafts: every token has its confidence");
  const int most = state.is_synchronous() ? options.lookahead + options.stages : options.max_ahead + options.window;
  require(std::ssize(drafts) <= most, "bounded: drafts");
}

void InvariantChecker::check_links(const StageOptions& options, const SequenceState& state) const {
  require(state.sent_ <= state.length(), "flow control: what is streamed up is of the view");
  const bool is_bound = !state.is_synchronous() && !options.is_target();
  require(
      !is_bound || state.sent_ == std::min(state.length(), state.acknowledged_ + options.max_ahead + options.window),
      "flow control: all is streamed up that the stage above keeps, and no more");
  require(options.is_first() || state.reported_ == state.length(), "flow control: the stage below knows this length");
  require(state.acknowledged_ <= state.max_length_ && state.received_ <= state.max_length_ &&
              state.confirmed_ <= state.max_length_,
          "bounded: nobody's view outgrows the sequence");
}

/// The cache, of which `seen` knows the tokens.
void InvariantChecker::check_cache(const SequenceState& state, Seen& seen) const {
  const auto view = state.view();
  const Position length = state.kv_length();
  if (!seen.has_begun) seen.cached.assign(view.begin(), view.begin() + length);
  require(length < std::ssize(view), "KV truth: the last token of the view is still to be computed");
  require(length <= std::ssize(seen.cached) && std::equal(view.begin(), view.begin() + length, seen.cached.begin()),
          "KV truth: the cache holds the view's tokens below kv_length");
}

void InvariantChecker::check_offers(const SequenceState& state) const {
  const auto offers = state.verdicts().offers();
  const auto is_out_of_order = [](const auto& a, const auto& b) { return a.position >= b.position; };
  require(std::ranges::adjacent_find(offers, is_out_of_order) == offers.end() &&
              (offers.empty() || offers.back().position < state.length()),
          "lenience: what the target has to decide is of the view");
}

void InvariantChecker::check_history(const StageOptions& options, const SequenceState& state, Seen& seen) const {
  require(seen.confirmed <= state.confirmed(), "history: what is confirmed stays so");
  require(seen.epoch_in <= state.epoch_in() && state.epoch_in() == state.statistics().corrections,
          "history: every correction begins the next epoch");
  require(seen.epoch_out <= state.epoch_out(), "history: epochs grow");
  seen.confirmed = state.confirmed();
  seen.epoch_in = state.epoch_in();
  seen.epoch_out = state.epoch_out();
  if (!options.is_target()) return;
  const auto view = state.view();
  require(seen.view.size() <= view.size() && std::equal(seen.view.begin(), seen.view.end(), view.begin()),
          "history: the target's view is final");
  seen.view.insert(seen.view.end(), view.begin() + std::ssize(seen.view), view.end());
}

void InvariantChecker::check_statistics(const LinkStatistics& statistics) const {
  const auto& [verify_passes, offered, accepted, wasted, stale, corrections, passes] = statistics;
  require(verify_passes <= passes && offered.size() == accepted.size(), "statistics: passes and drafts are counted");
  for (std::size_t i = 0; i < offered.size(); ++i) {
    require(offered[i] <= (i == 0 ? verify_passes : offered[i - 1]), "statistics: drafts are offered in order");
    require(accepted[i] <= offered[i] && (i == 0 || accepted[i] <= accepted[i - 1]),
            "statistics: drafts are accepted in order");
  }
}

// -------------------------------------------------------------------------------------------------------- work

void InvariantChecker::check_idle(const Stage& stage) {
  for (const auto& [sequence, state] : stage.sequences_) {
    sequence_ = sequence;
    require(!state.candidate(), "progress: no sequence waits for an idle stage");
  }
}

void InvariantChecker::check_begun(const Stage& stage, std::span<const Work> work) {
  std::size_t rows = 0;
  for (const Work& step : work) {
    sequence_ = sequence_of(step);
    const SequenceState* state = stage.find(sequence_);
    require(state != nullptr && state->outstanding_ && !state->is_outdated_, "work: it is of a live sequence's view");
    if (const auto* pass = std::get_if<Pass>(&step)) {
      rows += pass->tokens.size();
      check_begun(stage.options(), *state, *pass);
    } else {
      check_begun(*state, std::get<Proposal>(step));
    }
  }
  require(rows <= static_cast<std::size_t>(stage.options().max_rows), "bounded: rows of a pass");
}

void InvariantChecker::check_begun(const SequenceState& state, const Proposal& proposal) const {
  require(proposal.length == state.length(), "work: a proposal goes on from the view");
  require(0 < proposal.max_tokens && state.length() + proposal.max_tokens <= state.max_length_,
          "bounded: a proposal has room");
}

void InvariantChecker::check_begun(const StageOptions& options, const SequenceState& state, const Pass& pass) {
  const auto rows = std::ssize(pass.tokens);
  const auto own = rows - pass.drafts;  // rows of the view
  require(0 <= pass.drafts && 0 < own && pass.begin == state.kv_length() && pass.begin + own <= state.length(),
          "KV truth: a pass goes on from kv_length");
  require(pass.begin + rows <= state.max_length_, "bounded: KV slots");
  require(pass.outputs <= options.window, "bounded: outputs of a pass fit the window");
  const bool reaches_end = pass.begin + own == state.length();
  require(reaches_end ? pass.outputs == pass.drafts + 1 : pass.outputs == 0 && pass.drafts == 0,
          "work: the last row of the view and every draft want an output");
  const auto view = state.view().subspan(pass.begin);
  const auto drafts = state.drafts();
  require(std::equal(pass.tokens.begin(), pass.tokens.begin() + own, view.begin()) &&
              pass.drafts <= std::ssize(drafts) &&
              std::equal(pass.tokens.begin() + own, pass.tokens.end(), drafts.begin()),
          "KV truth: rows are the view's tokens, then drafts");
  Seen& seen = seen_.at(sequence_);
  require(pass.begin <= std::ssize(seen.cached), "KV truth: a pass goes on from the cache");
  seen.has_begun = true;
  seen.cached.resize(pass.begin);
  seen.cached.insert(seen.cached.end(), pass.tokens.begin(), pass.tokens.end());
}

void InvariantChecker::check_given_up(const Stage& stage, const Pass& pass, const StepResult& result) {
  sequence_ = pass.sequence;
  require(result.void_ && result.appended.empty() && !result.finished, "work: what is given up was void");
  if (stage.find(sequence_) == nullptr) return;
  std::vector<Token>& cached = seen_.at(sequence_).cached;
  cached.resize(std::min(cached.size(), static_cast<std::size_t>(pass.begin)));
  check(stage);
}

void InvariantChecker::check_completed(const Stage& stage, const Work& work, const StepResult& result) {
  sequence_ = sequence_of(work);
  const SequenceState* state = stage.find(sequence_);
  require(state != nullptr || result.void_, "quiescence: work of a finished sequence is void");
  require(!result.void_ || result.appended.empty(), "work: what is void appends nothing");
  if (const auto* pass = std::get_if<Pass>(&work)) {
    require(result.accepted >= 0 && result.accepted <= pass->drafts && result.wasted >= 0 &&
                std::ssize(result.appended) <= pass->outputs,
            "work: a step appends at most its drafts and one token");
    require(state == nullptr || !stage.options().is_target() || pass->outputs == 0 || !result.appended.empty(),
            "progress: a step of the target appends a token");
  }
  if (state == nullptr) return;
  const bool is_over = state->has_ended() || state->length() == state->max_length_;
  require(result.finished.has_value() == (stage.options().is_target() && is_over),
          "the end: the target's step tells that the sequence is over");
  check(stage);
}

}  // namespace pipespec::decoding
