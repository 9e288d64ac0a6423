#include "decoding/sequence_state.hpp"

#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "decoding/digest.hpp"

namespace pipespec::decoding {

SequenceState::SequenceState(std::shared_ptr<const StageOptions> options, const Start& start, Verdicts verdicts)
    : options_(std::move(options)),
      sequence_(start.sequence),
      prompt_length_(static_cast<Position>(start.prompt.size())),
      max_length_(start.max_length),
      view_(start.prompt),
      confidences_(start.prompt.size()),
      received_(prompt_length_),
      reported_(prompt_length_),
      sent_(prompt_length_),
      acknowledged_(prompt_length_),
      confirmed_(prompt_length_),
      reported_confirmed_(prompt_length_),
      verdicts_(std::move(verdicts)) {
  expect(prompt_length_ > 0, "a prompt has at least one token");
  expect(max_length_ > prompt_length_, "a sequence has room for at least one token");
  if (is_synchronous() && options_->is_first()) grant_turn(prompt_length_);
}

// ---------------------------------------------------------------------------------------------------- messages

void SequenceState::receive(const Tokens& message) {
  if (message.epoch < epoch_in_) {
    statistics_.stale += static_cast<std::int64_t>(message.tokens.size());
    return;
  }
  expect(message.epoch == epoch_in_, "a producer never knows a later epoch than its consumer");
  expect(message.position == received_, "the tokens of one epoch arrive without a gap");
  for (std::size_t i = 0; i < message.tokens.size(); ++i, ++received_) {
    if (received_ >= length()) {
      draft_.push_back(message.tokens[i]);
      draft_confidences_.push_back(confidence_at(message.confidences, i));
    } else if (view_[received_] != message.tokens[i]) {
      statistics_.stale += static_cast<std::int64_t>(message.tokens.size() - i);
      send_correction(received_);
      break;
    }
  }
  if (message.tokens.empty()) silent_at_ = received_;
  if (is_synchronous() && message.round == confirmed()) grant_turn(message.round);
  flush();
}

void SequenceState::receive(const Correction& message) {
  expect(message.epoch == epoch_out_ + 1, "epochs arrive one by one");
  const std::span<const Token> tokens = message.tokens;
  const auto end = message.position + static_cast<Position>(tokens.size());
  expect(message.position <= length(), "a correction touches the view");
  epoch_out_ = message.epoch;
  acknowledged_ = end;

  Position first = message.position;
  while (first < std::min(end, length()) && view_[first] == tokens[first - message.position]) ++first;
  raise_confirmed(message.confirmed);
  if (first < end) adopt(first, tokens.subspan(first - message.position));
  sent_ = end;  // where nothing differed, the rest of the view is sent again in the new epoch: no work is lost
  is_exhausted_ = false;  // that it has no guess was said in an epoch that is over
  is_overruled_ = false;
  settle_offers();
  flush();
}

void SequenceState::receive(const Progress& message) {
  const std::span<const Token> tokens = message.tokens;
  const auto end = message.position + static_cast<Position>(tokens.size());
  acknowledged_ = end;
  raise_confirmed(message.confirmed);
  expect(message.position <= length(), "progress is told from inside the view");
  const auto known = std::min<std::size_t>(tokens.size(), length() - message.position);
  if (!std::equal(tokens.begin(), tokens.begin() + known, view_.begin() + message.position)) {
    // No action here: the stage above corrects the difference when it sees our tokens. Only who learns has to know.
    is_overruled_ = options_->lenience == Lenience::adaptive;
  } else if (known < tokens.size()) {
    adopt(length(), tokens.subspan(known));
  }
  settle_offers();
  flush();
}

// -------------------------------------------------------------------------------------------------------- work

void SequenceState::reuse(Position positions) {
  expect(!has_begun_, "a cache is taken over before any work");
  expect(positions >= kv_length_ && positions < prompt_length_, "the last token of the prompt is computed");
  kv_length_ = positions;
}

std::optional<Candidate> SequenceState::candidate() const {
  const bool fills_cache = may_fill_cache();
  if (!fills_cache && !may_step()) return std::nullopt;
  const int ahead = options_->is_target() ? 0 : std::max(0, length() - acknowledged_);
  const auto of_ahead = confidences().last(ahead);
  if (!options_->has_model) return Candidate{.sequence = sequence_, .ahead = ahead, .of_ahead = of_ahead};
  const int drafts = fills_cache ? 0 : drafts_to_check();
  const bool is_prefill = kv_length_ < prompt_length_;
  return Candidate{.sequence = sequence_,
                   .rows = (fills_cache ? prompt_length_ - 1 : length()) - kv_length_,
                   .drafts = drafts,
                   .is_prefill = is_prefill,
                   .expects_drafts = expects_drafts(),
                   .ahead = ahead,
                   .may_abstain = may_abstain(),
                   .doubt = doubt(),
                   .of_drafts = draft_confidences().first(drafts),
                   .of_ahead = of_ahead};
}

std::optional<Work> SequenceState::next_work(const StepLimits& limits) {
  const std::optional<Candidate> step = candidate();
  if (!step) return std::nullopt;
  has_begun_ = outstanding_ = true;
  is_outdated_ = false;
  if (!options_->has_model) return Proposal{sequence_, length(), room()};
  return next_pass({.rows = std::min(limits.rows, step->rows), .drafts = std::min(limits.drafts, step->drafts)});
}

/// Without outputs where the rows end before the view does.
Pass SequenceState::next_pass(const StepLimits& size) const {
  expect(size.rows > 0 && size.drafts >= 0, "a pass has rows");
  const auto first = view_.begin() + kv_length_;
  Pass pass{.sequence = sequence_, .begin = kv_length_, .tokens = {first, first + size.rows}, .outputs = 0};
  if (first + size.rows == view_.end()) {
    pass.drafts = size.drafts;
    pass.outputs = size.drafts + 1;
    pass.tokens.insert(pass.tokens.end(), draft_.begin(), draft_.begin() + size.drafts);
    pass.of_drafts.assign(draft_confidences_.begin(), draft_confidences_.begin() + size.drafts);
  }
  pass.kind = kv_length_ < prompt_length_ ? StepKind::prefill : pass.drafts > 0 ? StepKind::verify : StepKind::draft;
  return pass;
}

/// Rows whose token and whole prefix still are the view's. A cut below `begin` has lowered kv_length_.
Position SequenceState::kept_rows(const Pass& pass) const {
  if (kv_length_ != pass.begin) return 0;
  const auto view = std::span(view_).subspan(pass.begin);
  const auto differ = std::mismatch(pass.tokens.begin(), pass.tokens.end(), view.begin(), view.end());
  return static_cast<Position>(differ.first - pass.tokens.begin());
}

bool SequenceState::is_void(const Pass& pass) const {
  return kept_rows(pass) == 0;
}

StepResult SequenceState::give_up(const Pass& pass) {
  expect(is_void(pass), "only what is void is given up");
  expect(std::exchange(outstanding_, false), "a result belongs to outstanding work");
  StepResult result;
  result.void_ = true;
  result.wasted = static_cast<int>(pass.tokens.size());
  statistics_.wasted += result.wasted;
  kv_length_ = std::min(kv_length_, length() - 1);
  if (pass.outputs > 0) stepped_ = true;
  flush();
  return result;
}

StepResult SequenceState::complete(const Pass& pass, std::span<const Token> outputs,
                                   std::span<const Confidence> confidences) {
  expect(std::exchange(outstanding_, false), "a result belongs to outstanding work");
  expect(outputs.size() == static_cast<std::size_t>(pass.outputs), "as many outputs as were asked for");
  const auto rows = static_cast<Position>(pass.tokens.size());

  Position kept = kept_rows(pass);
  const Position first_output = rows - pass.outputs;
  const bool is_known = pass.begin + kept == length() && kept > first_output;  // the token after the view
  for (Position row = first_output; row < kept && pass.begin + row + 1 < length(); ++row) {
    verdicts_.compare(pass.begin + row + 1, outputs[row - first_output]);  // with a draft that was passed on meanwhile
  }
  std::vector<Confidence> of_appended;
  StepResult result;
  result.void_ = pass.outputs > 0 && !is_known;
  if (is_known) {
    // Each token decides whether the row after it, a draft, was computed from the right text. No draft of a pass is an
    // end token or stands at the limit.
    for (;; ++kept) {
      const Position output = kept - 1 - first_output;
      const Chosen chosen = decide(result.appended, {outputs[output], confidence_at(confidences, output)});
      result.appended.push_back(chosen.token);
      of_appended.push_back(chosen.confidence);
      if (kept == rows || pass.tokens[kept] != result.appended.back()) break;
    }
  }
  result.accepted = std::max(0, kept - (rows - pass.drafts));
  result.wasted = rows - kept;
  count(pass, result);

  if (!result.appended.empty()) adopt(length(), result.appended, of_appended);
  // A row stays to be computed even where a rollback has cut the view inside the rows: its output was not asked for.
  if (kv_length_ == pass.begin) kv_length_ = std::min(pass.begin + kept, length() - 1);
  if (pass.outputs > 0) stepped_ = true;
  if (options_->is_target() && (has_ended() || length() >= max_length_)) {
    result.finished = has_ended() ? FinishReason::end_token : FinishReason::length;
  }
  flush();
  return result;
}

StepResult SequenceState::complete(const Proposal& proposal, std::span<const Token> tokens,
                                   std::span<const Confidence> confidences) {
  expect(std::exchange(outstanding_, false), "a result belongs to outstanding work");
  StepResult result;
  result.void_ = is_outdated_;
  if (result.void_) {
    result.wasted = static_cast<int>(tokens.size());
  } else if (tokens.empty()) {
    say_no_guess();
  } else {
    for (const Token token : tokens.first(std::min<std::size_t>(tokens.size(), proposal.max_tokens))) {
      result.appended.push_back(token);
      if (is_end_token(token)) break;
    }
    adopt(length(), result.appended, confidences);
  }
  flush();
  return result;
}

/// What to append behind the view and what this step has appended: the model's own token, or the draft that waits for
/// this place.
SequenceState::Chosen SequenceState::decide(std::span<const Token> appended, const Chosen& own) {
  const std::size_t next = appended.size();
  const bool is_lenient = options_->lenience != Lenience::strict;
  if (next >= draft_.size()) {
    if (is_lenient && next == 0) verdicts_.run_ends();  // the bonus token behind good drafts leaves them good
    return own;
  }
  // Drafts that came during the pass may differ from those it was computed with.
  if (!std::equal(appended.begin(), appended.end(), draft_.begin())) return own;
  const Token draft = draft_[next];
  const bool agrees = draft == own.token;
  const bool stands = agrees || options_->lenience == Lenience::trust ||
                      (options_->lenience == Lenience::adaptive && verdicts_.favour_draft());
  meet(length() + static_cast<Position>(next), draft, draft_confidences_[next], own.token);
  if (is_lenient && stands) verdicts_.draft_stands();
  if (!stands) return own;
  return {draft, agrees ? own.confidence.when_agreed() : draft_confidences_[next].when_kept()};
}

void SequenceState::meet(Position position, Token draft, Confidence confidence, std::optional<Token> own) {
  if (options_->lenience == Lenience::adaptive) verdicts_.meet(position, draft, confidence, own);
}

void SequenceState::abstain() {
  expect(may_step() && may_abstain(), "who could step, and has something to tell, abstains");
  if (const std::ptrdiff_t count = drafts_to_pass_on(); count > 0) {
    pass_on(count);
  } else {
    say_no_guess();
  }
  flush();
}

/// It has no guess of its own where nothing more will come from below, or a strict stage has to check that.
bool SequenceState::may_abstain() const {
  if (is_synchronous() || options_->is_target() || !options_->has_model) return false;
  if (drafts_to_pass_on() > 0) return true;
  return !is_exhausted_ && sent_ == length() && (!draft_.empty() || !expects_drafts());
}

/// How much more often the own token is right than the first draft, if there is one.
double SequenceState::doubt() const {
  if (options_->lenience != Lenience::adaptive || draft_.empty()) return 0;
  const Confidence confidence = draft_confidences_.front();
  return verdicts_.own_is_right(confidence) - verdicts_.draft_is_right(confidence);
}

void SequenceState::say_no_guess() {
  is_exhausted_ = true;
  if (!is_synchronous()) outgoing_.push_back({options_->above(), Tokens{sequence_, epoch_out_, sent_, round_, {}, {}}});
}

/// At most: as many as the stage above checks in this pass and the next, and none behind an end token.
std::ptrdiff_t SequenceState::drafts_to_pass_on() const {
  if (options_->lenience == Lenience::strict || is_synchronous()) return 0;
  const int useful = has_ended() ? 0 : std::min(room(), acknowledged_ + 2 * (options_->window - 1) - length());
  const auto most = std::min<std::ptrdiff_t>(std::ssize(draft_), std::max(0, useful));
  const auto end =
      std::find_if(draft_.begin(), draft_.begin() + most, [this](Token token) { return is_end_token(token); });
  return std::min(most, end - draft_.begin() + 1);
}

/// Goes on with the drafts that need not wait for the own tokens: the stage above has them sooner.
void SequenceState::pass_on_trusted() {
  const std::ptrdiff_t most = drafts_to_pass_on();
  std::ptrdiff_t count = 0;
  while (count < most && (options_->lenience == Lenience::trust || verdicts_.trusts(draft_confidences_[count])))
    ++count;
  pass_on(count);
}

void SequenceState::pass_on(std::ptrdiff_t count) {
  if (count == 0) return;
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    meet(length() + static_cast<Position>(i), draft_[i], draft_confidences_[i], std::nullopt);
    verdicts_.draft_stands();
  }
  const std::vector<Token> tokens(draft_.begin(), draft_.begin() + count);
  std::vector<Confidence> confidences;
  for (std::ptrdiff_t i = 0; i < count; ++i) confidences.push_back(draft_confidences_[i].when_kept());
  adopt(length(), tokens, confidences);
}

/// The view below `confirmed` is the target's where no correction is on its way.
void SequenceState::settle_offers() {
  if (is_overruled_) return;
  verdicts_.settle(view().first(std::min(confirmed_, length())));
}

bool SequenceState::is_end_token(Token token) const {
  return std::find(options_->end_tokens.begin(), options_->end_tokens.end(), token) != options_->end_tokens.end();
}

bool SequenceState::has_ended() const {
  return length() > prompt_length_ && is_end_token(view_.back());
}

bool SequenceState::is_synchronous() const {
  return options_->schedule == Schedule::synchronous && options_->stages > 1;
}

/// Tokens the view may still grow by before the stage pauses.
int SequenceState::room() const {
  const int to_limit = max_length_ - length();
  if (options_->is_target()) return to_limit;
  // Every stage may add one token of its own to a round's.
  if (is_synchronous()) return std::min(to_limit, round_ + options_->lookahead + options_->index.value - length());
  return std::min(to_limit, acknowledged_ + options_->max_ahead - length());
}

bool SequenceState::may_step() const {
  if (outstanding_ || has_ended() || room() <= 0) return false;
  if (is_synchronous() && !turn_) return false;
  return options_->has_model || !is_exhausted_;
}

/// Synchronous schedule: all but the last row of the prompt, while the stages below draft.
bool SequenceState::may_fill_cache() const {
  return is_synchronous() && !options_->is_first() && !turn_ && !outstanding_ && kv_length_ + 1 < prompt_length_;
}

/// Not where the stage below has said that it has no guess, until it is told more than it has sent itself.
bool SequenceState::expects_drafts() const {
  if (is_synchronous() || options_->is_first()) return false;
  const Position known = std::max(received_, length());
  const bool has_ended = std::ranges::any_of(draft_, [this](Token token) { return is_end_token(token); });
  return known != silent_at_ && known < max_length_ && !has_ended;
}

/// A draft is only worth a row if its successor can be committed: none after an end token, none at the limit.
int SequenceState::drafts_to_check() const {
  const auto most = std::min({static_cast<std::ptrdiff_t>(options_->window) - 1, std::ssize(draft_),
                              static_cast<std::ptrdiff_t>(max_length_) - length() - 1});
  const auto end = std::find_if(draft_.begin(), draft_.begin() + std::max<std::ptrdiff_t>(most, 0),
                                [this](Token token) { return is_end_token(token); });
  return static_cast<int>(end - draft_.begin());
}

// ---------------------------------------------------------------------------------------------------- the view

/// view = view[0, from) + tokens, where `tokens` is not empty and, inside the old view, begins with a difference.
/// What the stage below has streamed, or been told, is held against the new text.
void SequenceState::adopt(Position from, std::span<const Token> tokens, std::span<const Confidence> confidences) {
  const bool is_rollback = from < length();
  view_.resize(from);
  view_.insert(view_.end(), tokens.begin(), tokens.end());
  confidences_.resize(from);
  confidences = confidences.first(std::min(confidences.size(), tokens.size()));
  confidences_.insert(confidences_.end(), confidences.begin(), confidences.end());
  confidences_.resize(view_.size());
  is_outdated_ = true;
  is_exhausted_ = false;
  kv_length_ = std::min(kv_length_, from);
  if (is_rollback) verdicts_.cut(from);
  if (options_->is_first()) return;
  if (is_rollback) {
    // What the stage below was told past its own stream may lie beyond a difference that is still on its way up.
    if (received_ > from || reported_ > from) send_correction(std::min(from, received_));
    return;
  }
  const auto [draft, own] = std::mismatch(draft_.begin(), draft_.end(), tokens.begin(), tokens.end());
  if (draft != draft_.end() && own != tokens.end()) {
    send_correction(from + static_cast<Position>(own - tokens.begin()));
  } else {
    draft_confidences_.erase(draft_confidences_.begin(), draft_confidences_.begin() + (draft - draft_.begin()));
    draft_.erase(draft_.begin(), draft);
  }
}

void SequenceState::send_correction(Position from) {
  ++epoch_in_;
  ++statistics_.corrections;
  outgoing_.push_back(
      {options_->below(), Correction{sequence_, epoch_in_, from, confirmed(), {view_.begin() + from, view_.end()}}});
  draft_.clear();
  draft_confidences_.clear();
  verdicts_.run_ends();
  silent_at_ = -1;
  received_ = reported_ = length();
  reported_confirmed_ = confirmed();
}

void SequenceState::raise_confirmed(Position confirmed) {
  if (confirmed <= confirmed_) return;
  confirmed_ = confirmed;
  if (is_synchronous() && options_->is_first()) grant_turn(confirmed);
}

void SequenceState::grant_turn(Position round) {
  round_ = round;
  turn_ = true;
  stepped_ = false;
}

// --------------------------------------------------------------------------------------------------- telling others

void SequenceState::flush_up() {
  if (is_synchronous()) {
    // A round's tokens go up in one burst, which hands the turn on: stage 0 when it has drafted enough, others after a
    // step.
    const bool done = turn_ && !outstanding_ && ((stepped_ && !options_->is_first()) || !may_step());
    if (!done) return;
    turn_ = false;
  }
  // Once the stage above is cut back, this view may reach further past it than the drafts it keeps: the rest goes
  // later.
  const Position end =
      is_synchronous() ? length() : std::min(length(), acknowledged_ + options_->max_ahead + options_->window);
  if (options_->is_target() || (sent_ == end && !is_synchronous())) return;
  const auto unsent = [&](const auto& all) { return std::vector(all.begin() + sent_, all.begin() + end); };
  outgoing_.push_back(
      {options_->above(), Tokens{sequence_, epoch_out_, sent_, round_, unsent(view_), unsent(confidences_)}});
  sent_ = end;
}

void SequenceState::flush_down() {
  const bool is_news = reported_ != length() || (is_synchronous() && reported_confirmed_ != confirmed());
  if (options_->is_first() || !is_news) return;
  const Position from = std::min(length(), std::max(received_, reported_));
  outgoing_.push_back({options_->below(), Progress{sequence_, from, confirmed(), {view_.begin() + from, view_.end()}}});
  reported_ = length();
  reported_confirmed_ = confirmed();
}

void SequenceState::flush() {
  pass_on_trusted();
  flush_up();
  flush_down();
}

std::vector<Outgoing> SequenceState::take_outgoing() {
  return std::exchange(outgoing_, {});
}

std::uint64_t SequenceState::digest() const {
  Digest digest;
  digest.add(view_);
  digest.add(draft_);
  digest.add(confidences());
  digest.add(draft_confidences());
  for (const Position number :
       {sequence_.value, prompt_length_, max_length_, kv_length_, epoch_in_, received_, silent_at_, reported_,
        epoch_out_, sent_, acknowledged_, confirmed_, reported_confirmed_, round_}) {
    digest.add(number);
  }
  for (const bool flag : {has_begun_, outstanding_, is_outdated_, is_exhausted_, is_overruled_, turn_, stepped_})
    digest.add(flag);
  verdicts_.add_to(digest);
  return digest.value();
}

void SequenceState::count(const Pass& pass, const StepResult& result) {
  statistics_.wasted += result.wasted;
  if (pass.outputs > 0) ++statistics_.passes;
  if (pass.drafts == 0 || result.void_) return;
  ++statistics_.verify_passes;
  statistics_.offered.resize(std::max<std::size_t>(statistics_.offered.size(), pass.drafts));
  statistics_.accepted.resize(statistics_.offered.size());
  for (int i = 0; i < pass.drafts; ++i) ++statistics_.offered[i];
  for (int i = 0; i < result.accepted; ++i) ++statistics_.accepted[i];
}

}  // namespace pipespec::decoding
