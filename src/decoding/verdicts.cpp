#include "decoding/verdicts.hpp"

#include <algorithm>
#include <bit>

namespace pipespec::decoding {

namespace {

// Before the target has said anything, no draft is passed on unseen.
constexpr double first_of_draft = 0, first_of_own = 0.5, weight_of_first = 1;
constexpr double weight_of_all = 4;  ///< in offers of a confidence

}  // namespace

double Verdicts::draft_is_right(Confidence confidence) const {
  const double any = any_draft_.value(first_of_draft, weight_of_first);
  return drafts_[confidence.value()].value(any, weight_of_all);
}

double Verdicts::own_is_right(Confidence confidence) const {
  const double any = any_own_.value(first_of_own, weight_of_first);
  return owns_[confidence.value()].value(any, weight_of_all);
}

void Verdicts::compare(Position position, Token own) {
  const auto offer = std::ranges::find(offers_, position, &Offer::position);
  if (offer != offers_.end() && !offer->own) offer->own = own;
}

void Verdicts::cut(Position position) {
  std::erase_if(offers_, [position](const Offer& offer) { return offer.position > position; });
}

void Verdicts::settle(std::span<const Token> text) {
  const auto open = std::ranges::find_if(
      offers_, [&](const Offer& offer) { return offer.position >= static_cast<Position>(text.size()); });
  for (auto offer = offers_.begin(); offer != open; ++offer) {
    const Token right = text[offer->position];
    const bool is_draft_right = right == offer->draft;
    any_draft_.observe(is_draft_right);
    drafts_[offer->confidence.value()].observe(is_draft_right);
    if (!offer->own) continue;
    const bool is_own_right = right == *offer->own;
    any_own_.observe(is_own_right);
    owns_[offer->confidence.value()].observe(is_own_right);
    if (is_draft_right == is_own_right) continue;  // they agree, or both are wrong
    const int verdict = is_draft_right ? 1 : -1;
    overall_.observe(verdict);
    by_run_[bucket(offer->run)].observe(verdict);
  }
  offers_.erase(offers_.begin(), open);
}

Verdicts Verdicts::for_next_sequence() const {
  Verdicts next = *this;
  next.offers_.clear();
  next.run_ = 0;
  return next;
}

void Verdicts::add_to(Digest& digest) const {
  digest.add(run_);
  const auto add = [&digest](const RunningMean& mean) {
    digest.add(std::bit_cast<std::int64_t>(mean.mean()));
    digest.add(std::bit_cast<std::int64_t>(mean.weight()));
  };
  for (const RunningMean& mean : {overall_, any_draft_, any_own_}) add(mean);
  for (const auto* means : {&by_run_, &drafts_, &owns_}) {
    for (const RunningMean& mean : *means) add(mean);
  }
  for (const Offer& offer : offers_) {
    for (const std::int32_t number :
         {offer.position, offer.draft, std::int32_t{offer.confidence.value()}, offer.run, offer.own.value_or(-1)}) {
      digest.add(number);
    }
  }
}

}  // namespace pipespec::decoding
