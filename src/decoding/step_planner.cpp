#include "decoding/step_planner.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <type_traits>
#include <utility>
#include <variant>

namespace pipespec::decoding {

namespace {

constexpr double rate_memory = 0.98;
constexpr double wait_memory = 0.9;
constexpr double least_chance = 0.05;  ///< of a token that is worth drafting
constexpr double computed_memory = 0.99;
constexpr int rows_of_a_cycle = 4;         ///< that a stage has to compute beside its next token in any case
constexpr double part_of_arrears = 0.125;  ///< of the time for rows beyond: they serve the tokens to come as well
constexpr double first_burst = 4;

int drafts_of(std::span<const Candidate> candidates) {
  int drafts = 0;
  for (const Candidate& candidate : candidates) drafts += candidate.drafts;
  return drafts;
}

int rows_of(std::span<const Candidate> candidates) {
  int rows = 0;
  for (const Candidate& candidate : candidates) rows += candidate.rows;
  return rows;
}

int rows_of(std::span<const Work> work) {
  int rows = 0;
  for (const Work& step : work) rows += static_cast<int>(std::get<Pass>(step).tokens.size());
  return rows;
}

bool has_rows_of_a_prompt(std::span<const Work> work) {
  return std::ranges::any_of(work, [](const Work& step) { return std::get<Pass>(step).kind == StepKind::prefill; });
}

}  // namespace

std::optional<Draft> draft_behind(const Pass& pass, const SequenceState& state) {
  const auto own = static_cast<Position>(pass.tokens.size()) - pass.drafts;
  const bool is_same_text = pass.begin + own == std::ssize(state.view());
  const auto next = static_cast<std::size_t>(pass.drafts);
  if (pass.outputs == 0 || !is_same_text || state.drafts().size() <= next) return std::nullopt;
  return Draft{state.drafts()[next], state.draft_confidences()[next]};
}

StepPlanner::StepPlanner(StepPolicy policy, const StageOptions& options, double takes_from_target)
    : policy_(options.schedule == Schedule::synchronous ? StepPolicy{.kind = StepPolicy::Kind::eager} : policy),
      is_target_(options.is_target()),
      is_strict_(options.lenience == Lenience::strict),
      takes_from_target_(options.is_target() || !options.has_model ? 0 : takes_from_target),
      most_drafts_(options.window - 1),
      // The stage below pauses when it is max_ahead tokens ahead, so no more will come.
      wanted_drafts_(std::min({policy.lookahead - 1, options.window - 1, options.max_ahead})),
      accepts_computed_(computed_memory),
      tokens_(rate_memory),
      seconds_(rate_memory),
      confirmed_tokens_(rate_memory),
      confirmed_seconds_(rate_memory),
      burst_(wait_memory) {}

// -------------------------------------------------------------------------------------------------------- plans

StepPlan StepPlanner::plan(std::span<const Candidate> candidates, double now) {
  const bool is_adaptive = policy_.kind == StepPolicy::Kind::adaptive;
  if (is_adaptive && wait_ && candidates.size() == 1 && candidates.front().ahead > wait_->ahead)
    learn_from_passing_on(candidates, now);
  std::vector<Candidate> ready;
  std::vector<SequenceId> abstentions;
  const auto count = static_cast<int>(candidates.size());
  for (const Candidate& candidate : candidates) {
    if (is_in_vain(candidate) || is_short_of_drafts(candidate)) continue;
    if (is_too_dear(candidate, count)) {
      if (candidate.may_abstain) abstentions.push_back(candidate.sequence);
      continue;
    }
    ready.push_back(candidate);
  }
  if (ready.empty()) {
    const bool is_waiting = std::ranges::any_of(candidates, [&](const auto& c) { return is_short_of_drafts(c); });
    if (!is_waiting) wait_.reset();
    if (is_waiting && !wait_) wait_ = Wait{.since = now};
    return {.choices = {}, .abstentions = std::move(abstentions)};
  }
  if (is_adaptive) {
    const Best best = best_drafts(ready);
    const bool is_held_back = holds_back(ready, best, now);
    StepPlan plan =
        is_held_back ? StepPlan{.choices = {}, .look_again = wait_->deadline} : step(ready, best.drafts, now);
    plan.abstentions = std::move(abstentions);
    return plan;
  }
  std::vector<int> all;
  for (const Candidate& candidate : ready) all.push_back(candidate.drafts);
  return step(ready, all, now);
}

StepPlan StepPlanner::step(std::span<const Candidate> candidates, std::span<const int> drafts, double now) {
  StepPlan plan;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& candidate = candidates[i];
    const std::vector<double> each = worths(candidate, drafts[i]);
    const double expected = std::accumulate(each.begin(), each.end(), 0.0);
    plan.choices.push_back({candidate.sequence, drafts[i], candidate.drafts, expected});
    Sequence& sequence = sequences_[candidate.sequence];
    sequence.expected = expected;
  }
  if (wait_) plan.waited = now - wait_->since;
  wait_.reset();
  return plan;
}

/// Adaptive: whether what comes next has next to no chance to be reached.
bool StepPlanner::is_in_vain(const Candidate& candidate) const {
  if (policy_.kind != StepPolicy::Kind::adaptive || candidate.is_prefill) return false;  // a prompt is never in vain
  return chance_to_be_reached(candidate).value < least_chance;
}

/// Adaptive: whether what the step brings is worth less than what the target loses meanwhile. `count` candidates share
/// a pass.
bool StepPlanner::is_too_dear(const Candidate& candidate, int count) const {
  if (policy_.kind != StepPolicy::Kind::adaptive || takes_from_target_ == 0 || candidate.is_prefill) return false;
  if (confirmed_seconds_.mean() == 0) return false;
  const double price = takes_from_target_ * confirmed_tokens_.mean() / confirmed_seconds_.mean();
  const int rows = std::min(candidate.rows, rows_of_a_cycle);
  const double arrears = std::max(0.0, times_.seconds(candidate.rows) - times_.seconds(rows));
  double tokens = 0;
  int drafts = 0;
  const auto is_worth = [&](double more) {
    tokens += more;
    const double seconds = times_.seconds(count * (rows + drafts++)) / count + part_of_arrears * arrears;
    return tokens >= price * seconds;
  };
  return std::ranges::none_of(tokens_taken(candidate), is_worth);
}

/// How many tokens more the stage above is going to take if the step is taken: first of its own token, then [drafts] of
/// what each adds. A lenient stage can pass its drafts on without the step.
std::vector<double> StepPlanner::tokens_taken(const Candidate& candidate) const {
  const Reach reach = chance_to_be_reached(candidate);
  if (!is_strict_ && candidate.drafts > 0) return {reach.value * candidate.doubt};
  std::vector<double> tokens = worths(candidate, candidate.drafts);
  const double is_taken = accepts_computed_.of_draft_behind(reach.streak, Confidence());
  for (double& each : tokens) each *= is_taken;
  return tokens;
}

/// That the stage above takes all that it does not have yet, and so comes to what is next; and the streak then.
StepPlanner::Reach StepPlanner::chance_to_be_reached(const Candidate& candidate) const {
  const auto sequence = sequences_.find(candidate.sequence);
  Reach reach;
  if (sequence != sequences_.end()) reach.streak = sequence->second.own;
  for (int i = 0; i < candidate.ahead && reach.value >= least_chance; ++i, reach.streak = reach.streak.after(true)) {
    reach.value *= accepts_own_.of_draft_behind(reach.streak, confidence_at(candidate.of_ahead, i));
  }
  return reach;
}

/// Lookahead: whether more will come.
bool StepPlanner::is_short_of_drafts(const Candidate& candidate) const {
  return policy_.kind == StepPolicy::Kind::lookahead && !candidate.is_prefill && candidate.expects_drafts &&
         candidate.drafts < wanted_drafts_;
}

/// What a step with so many drafts is worth: first of its own token, then [drafts] of what each adds. It is the chance
/// that the draft is accepted, and those before it; below the target, that the stage above takes them, too.
std::vector<double> StepPlanner::worths(const Candidate& candidate, int drafts) const {
  const auto sequence = sequences_.find(candidate.sequence);
  Streak streak = sequence == sequences_.end() ? Streak() : sequence->second.drafts;
  Reach reach = chance_to_be_reached(candidate);
  std::vector<double> worths{reach.value};
  double chance = 1;
  for (std::size_t i = 0; i < static_cast<std::size_t>(drafts); ++i, streak = streak.after(true)) {
    chance *= accepts_below_.of_draft_behind(streak, confidence_at(candidate.of_drafts, i));
    if (!is_target_) {  // how sure the stage will be of the token is not known yet
      reach.value *= accepts_own_.of_draft_behind(reach.streak, Confidence());
      reach.streak = reach.streak.after(true);
    }
    worths.push_back(chance * reach.value);
  }
  return worths;
}

/// Tokens per second; no less than steps without drafts, and without prompts, would give.
double StepPlanner::rate(std::span<const Candidate> candidates) const {
  double worth = 0;
  int rows = 0;
  for (const Candidate& candidate : candidates) {
    worth += worths(candidate, 0).front();
    rows += candidate.is_prefill ? 1 : candidate.rows;
  }
  const double alone = times_.seconds(rows);
  if (alone == 0) return 0;
  const double least = worth / alone;
  return seconds_.mean() == 0 ? least : std::max(least, tokens_.mean() / (seconds_.mean() * times_.slowness()));
}

/// The best drafts of all candidates, as many as pay.
StepPlanner::Best StepPlanner::best_drafts(std::span<const Candidate> candidates) const {
  struct Worth {
    double tokens;
    std::size_t candidate;
  };
  std::vector<Worth> all;
  double tokens = 0;
  for (std::size_t c = 0; c < candidates.size(); ++c) {
    const std::vector<double> each = worths(candidates[c], candidates[c].drafts);
    tokens += each.front();
    for (std::size_t i = 1; i < each.size(); ++i) all.push_back({each[i], c});
  }
  // A draft is never worth more than the one before it, so every beginning of this order has whole beginnings of
  // drafts.
  std::ranges::stable_sort(all, std::greater{}, &Worth::tokens);

  const double price = rate(candidates);
  const int rows = rows_of(candidates);
  std::size_t count = 0;
  Best best{.drafts = std::vector<int>(candidates.size()), .worth = tokens - price * times_.seconds(rows)};
  for (std::size_t i = 0; i < all.size(); ++i) {
    tokens += all[i].tokens;
    const double worth = tokens - price * times_.seconds(rows + static_cast<int>(i) + 1);
    if (worth < best.worth) continue;
    best.worth = worth;
    count = i + 1;
  }
  for (std::size_t i = 0; i < count; ++i) ++best.drafts[all[i].candidate];
  return best;
}

// -------------------------------------------------------------------------------------------------------- waiting

/// Seconds that the drafts that are expected next are worth, as drafts go.
double StepPlanner::hoped_wait(std::span<const Candidate> candidates, double worth) const {
  const double price = rate(candidates);
  if (price == 0) return 0;
  std::vector<Candidate> later(candidates.begin(), candidates.end());
  const bool has_drafts = later.front().drafts > 0;
  const int more = has_drafts ? 1 : std::max(1, static_cast<int>(burst_.value(first_burst, 1)));
  later.front().drafts = std::min(most_drafts_, later.front().drafts + more);
  return std::max(0.0, best_drafts(later).worth - worth) / price;
}

/// Only where all may get drafts: nobody waits for the drafts of another. With drafts at hand a single sequence alone
/// waits, for more.
bool StepPlanner::holds_back(std::span<const Candidate> candidates, const Best& best, double now) {
  const int drafts = drafts_of(candidates);
  const bool may_wait = (drafts == 0 || (candidates.size() == 1 && best.drafts.front() == drafts)) &&
                        std::ranges::all_of(candidates, [](const Candidate& candidate) {
                          return candidate.expects_drafts && !candidate.is_prefill;
                        });
  if (wait_ && (!may_wait || drafts > wait_->drafts)) learn_from_wait(candidates, best, now);
  if (!may_wait) return false;
  WaitLimit& limit = drafts == 0 ? first_ : next_;
  if (!wait_ || wait_->drafts != drafts) {
    const double hope = hoped_wait(candidates, best.worth), seconds = limit.choose(hope);
    if (seconds == 0) return false;
    wait_ = Wait{.since = wait_ ? wait_->since : now,
                 .from = now,
                 .deadline = now + seconds,
                 .hope = hope,
                 .drafts = drafts,
                 .ahead = candidates.front().ahead};
  }
  if (now < wait_->deadline) return true;
  limit.broken_off(now - wait_->from);
  return false;
}

/// It is over. That the stage below has no guess is an answer, too.
void StepPlanner::learn_from_wait(std::span<const Candidate> candidates, const Best& best, double now) {
  std::vector<Candidate> before(candidates.begin(), candidates.end());
  for (Candidate& candidate : before) candidate.drafts = std::min(candidate.drafts, wait_->drafts);
  const double seconds = (best.worth - best_drafts(before).worth) / rate(candidates);
  (wait_->drafts > 0 ? next_ : first_).answered(now - wait_->from, seconds / wait_->hope);
  const int drafts = drafts_of(candidates);
  if (wait_->drafts == 0 && drafts > 0) burst_.observe(drafts);
}

/// Drafts of the only sequence came and were passed on at once: the step that was held back for them would have been in
/// vain, as its token comes behind theirs.
void StepPlanner::learn_from_passing_on(std::span<const Candidate> candidates, double now) {
  const double seconds = times_.seconds(rows_of(candidates));
  (wait_->drafts > 0 ? next_ : first_).answered(now - wait_->from, seconds / wait_->hope);
  wait_.reset();
}

// -------------------------------------------------------------------------------------------------------- learning

void StepPlanner::heard(const Message& message, const SequenceState& state, double now) {
  const auto learn = [&](const auto& m) {
    const auto view = state.view();
    const auto position = std::min(static_cast<std::size_t>(m.position), view.size());
    const auto own = view.subspan(position);
    const auto differ = std::mismatch(own.begin(), own.end(), m.tokens.begin(), m.tokens.end());
    const auto same = static_cast<Position>(position + static_cast<std::size_t>(differ.first - own.begin()));
    Sequence& sequence = sequences_[m.sequence];
    if (sequence.was_heard_of && last_heard_) {
      confirmed_tokens_.observe(std::max(0, m.confirmed - state.confirmed()));
      confirmed_seconds_.observe(now - *last_heard_);
    }
    sequence.was_heard_of = true;
    last_heard_ = now;
    if (takes_from_target_ > 0) accepts_computed_.fade();
    const auto judge = [&](Position p, bool accepted) {
      accepts_own_.observe(sequence.own, state.confidences()[p], accepted);
      if (is_strict_ || state.confidences()[p].is_own())
        accepts_computed_.observe(sequence.own, Confidence(), accepted);
      sequence.own = sequence.own.after(accepted);
    };
    for (Position p = state.acknowledged(); p < same; ++p) judge(p, true);
    const bool is_rejection = differ.first != own.end() && differ.second != m.tokens.end();
    if (std::is_same_v<std::decay_t<decltype(m)>, Correction> && is_rejection) {
      judge(same, false);
    }
  };
  if (const auto* correction = std::get_if<Correction>(&message)) learn(*correction);
  if (const auto* progress = std::get_if<Progress>(&message)) learn(*progress);
}

void StepPlanner::passed(std::span<const Work> work, double begin, double end) {
  if (seconds_of_last_ > 0) {
    tokens_.observe(tokens_of_last_);
    seconds_.observe(seconds_of_last_ / times_.slowness());
  }
  tokens_of_last_ = 0;
  const double since_last = last_end_ ? end - *last_end_ : end - begin;
  const bool has_prompt = has_rows_of_a_prompt(work);
  last_end_ = end;
  seconds_of_last_ = has_prompt ? 0 : since_last;
  if (!has_prompt || PassTimes::is_long(rows_of(work))) times_.observe(rows_of(work), end - begin);
}

double StepPlanner::seconds_of(std::span<const Work> work) const {
  return has_rows_of_a_prompt(work) ? 0 : times_.seconds(rows_of(work));
}

void StepPlanner::completed(const Pass& pass, const StepResult& result, const std::optional<Draft>& next_draft) {
  if (result.appended.empty()) return;
  Sequence& sequence = sequences_[pass.sequence];
  tokens_of_last_ += is_target_ ? static_cast<double>(result.appended.size()) : sequence.expected;
  Streak& streak = sequence.drafts;
  const auto judge = [&](Confidence confidence, bool accepted) {
    accepts_below_.observe(streak, confidence, accepted);
    streak = streak.after(accepted);
  };
  for (int i = 0; i < result.accepted; ++i) judge(confidence_at(pass.of_drafts, i), true);
  if (result.accepted < pass.drafts) {
    judge(confidence_at(pass.of_drafts, result.accepted), false);
  } else if (next_draft) {
    judge(next_draft->confidence, next_draft->token == result.appended.back());
  }
}

}  // namespace pipespec::decoding
