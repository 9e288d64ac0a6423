#include "random_schedule.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "decoding/drafter.hpp"

namespace pipespec::testing {

using decoding::Schedule;

std::uint64_t RandomSchedule::Random::bits() {
  std::uint64_t x = state_ += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

int RandomSchedule::Random::pick(int first, int last) {
  return first + static_cast<int>(bits() % static_cast<std::uint64_t>(last - first + 1));
}

bool RandomSchedule::Random::chance(double probability) {
  return static_cast<double>(bits() >> 11) * 0x1p-53 < probability;
}

RandomSchedule::RandomSchedule(std::uint64_t text_seed, std::uint64_t seed)
    : text_(text_seed), random_(seed), pipeline_(draw_options()) {
  draw_paces();
  to_start_ = text_.pick(1, 5);
  most_in_flight_ = random_.pick(1, 4);
  abandon_rate_ = random_.chance(0.3) ? 0.01 : 0;
}

VirtualPipeline::Options RandomSchedule::draw_options() {
  VirtualPipeline::Options options;
  options.schedule = random_.chance(0.7) ? Schedule::pipelined : Schedule::synchronous;
  options.window = random_.chance(0.5) ? random_.pick(1, 4) : random_.pick(1, 32);
  options.max_rows = random_.chance(0.5) ? random_.pick(2, 12) : 128;
  options.max_ahead = random_.chance(0.5) ? random_.pick(1, 4) : random_.pick(1, 40);
  options.lookahead = random_.chance(0.5) ? random_.pick(1, 4) : random_.pick(1, 16);
  options.checks_some = random_.chance(0.5);
  options.tells_confidences = random_.chance(0.5);
  options.reused = random_.chance(0.5) ? 0 : random_.pick(1, 8);
  ToyModels& models = options.models;
  models.seed = text_.bits();
  models.vocabulary = text_.pick(2, 8);
  models.end_rate = text_.one_of(std::array{0.0, 0.02, 0.1});
  models.choice = text_.one_of(std::array{ToyChoice::hash, ToyChoice::draw});
  models.cluster = random_.one_of(std::array{1, 4, 12});
  const int drafters = random_.pick(0, 4);
  for (int s = 0; s < drafters; ++s) {
    models.agreement.push_back(random_.one_of(std::array{0.0, 0.5, 0.8, 0.95, 1.0}));
    options.lenience.push_back(
        s == 0 ? Lenience::strict : random_.one_of(std::array{Lenience::strict, Lenience::trust, Lenience::adaptive}));
  }
  if (drafters > 0 && random_.chance(0.3)) draw_proposer(options);
  return options;
}

/// Stage 0 without a model: it guesses like a model whose guesses end early, or by looking back.
void RandomSchedule::draw_proposer(VirtualPipeline::Options& options) {
  const int longest = random_.pick(1, 8);
  if (random_.chance(0.5)) {
    decoding::PromptLookup lookup({.min_match = random_.pick(1, 2), .max_match = 3});
    options.proposer = [lookup, longest](auto view, int most) mutable {
      return lookup.propose(view, std::min(most, longest));
    };
    return;
  }
  options.proposer = [models = options.models, longest](std::span<const Token> view, int most) {
    ToyText text = ToyText::of(view);
    decoding::Guess guess{std::vector<Token>(std::min<int>(most, static_cast<int>(text.hash % (longest + 1))))};
    for (Token& token : guess.tokens) text = text.followed_by(token = models.next(0, text));
    return guess;
  };
}

void RandomSchedule::draw_paces() {
  constexpr std::array paces{1, 8, 64};
  const int stages = pipeline_.stages();
  for (int s = 0; s < stages; ++s) device_pace_.push_back(random_.one_of(paces));
  for (int link = 0; link < stages * stages; ++link) link_pace_.push_back(random_.one_of(paces));
}

/// Starts, abandons and shuts down now and then. Returns whether it did anything.
bool RandomSchedule::drive_target() {
  std::erase_if(in_flight_, [this](SequenceId sequence) { return pipeline_.is_finished(sequence); });
  const int count = static_cast<int>(in_flight_.size());
  if (to_start_ > 0 && count < most_in_flight_ && (count == 0 || random_.chance(0.05))) {
    start_sequence();
    return true;
  }
  if (count > 0 && random_.chance(abandon_rate_)) {
    pipeline_.finish(in_flight_[random_.pick(0, count - 1)]);
    ++outcome_.abandoned;
    return true;
  }
  if (to_start_ > 0 || count > 0 || is_shut_down_) return false;
  pipeline_.shut_down();
  return is_shut_down_ = true;
}

void RandomSchedule::start_sequence() {
  std::vector<Token> prompt(text_.pick(1, text_.chance(0.2) ? 20 : 4));
  for (Token& token : prompt) token = text_.pick(0, 5);  // end tokens mean nothing in a prompt
  const int length = static_cast<int>(prompt.size());
  started_.push_back(pipeline_.start(std::move(prompt), length + text_.pick(1, text_.chance(0.1) ? 40 : 12)));
  in_flight_.push_back(started_.back());
  --to_start_;
}

Event RandomSchedule::pick_event(const std::vector<Event>& events) {
  const auto pace = [this](const Event& event) {
    const bool is_message = event.kind == Event::Kind::deliver;
    return is_message ? link_pace_[event.from * pipeline_.stages() + event.stage] : device_pace_[event.stage];
  };
  int total = 0;
  for (const Event& event : events) total += pace(event);
  int drawn = random_.pick(0, total - 1);
  for (const Event& event : events) {
    drawn -= pace(event);
    if (drawn < 0) return event;
  }
  return events.back();
}

ScheduleOutcome RandomSchedule::run() {
  constexpr std::int64_t most_events = 200'000;  // far more than the longest schedule needs
  while (!pipeline_.is_closed()) {
    expect(++outcome_.events < most_events, "a schedule comes to an end");
    if (drive_target()) continue;
    const auto events = pipeline_.events();
    expect(!events.empty(), "no deadlock: something can happen until all is closed");
    pipeline_.perform(pick_event(events));
  }
  for (const Event& event : pipeline_.events()) {
    expect(event.kind == Event::Kind::begin && !pipeline_.perform(event), "quiescence: nothing happens after the end");
  }
  for (const SequenceId sequence : started_) {
    const auto output = pipeline_.output(sequence);
    const bool is_whole = pipeline_.finish_reason(sequence).has_value();
    outcome_.outputs.emplace_back(output.begin(), is_whole ? output.end() : output.begin());
  }
  return outcome_;
}

}  // namespace pipespec::testing
