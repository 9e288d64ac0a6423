#include "decoding/verdicts.hpp"

#include <algorithm>
#include <bit>

namespace pipespec::decoding {

void Verdicts::cut(Position position) {
  std::erase_if(disputes_, [position](const Dispute& dispute) { return dispute.position > position; });
}

void Verdicts::settle(std::span<const Token> text) {
  const auto open = std::ranges::find_if(
      disputes_, [&](const Dispute& dispute) { return dispute.position >= static_cast<Position>(text.size()); });
  for (auto dispute = disputes_.begin(); dispute != open; ++dispute) {
    const Token right = text[dispute->position];
    const int verdict = right == dispute->draft ? 1 : right == dispute->own ? -1 : 0;
    if (verdict == 0) continue;
    overall_.observe(verdict);
    by_run_[bucket(dispute->run)].observe(verdict);
  }
  disputes_.erase(disputes_.begin(), open);
}

Verdicts Verdicts::for_next_sequence() const {
  Verdicts next;
  next.overall_ = overall_;
  next.by_run_ = by_run_;
  return next;
}

void Verdicts::add_to(Digest& digest) const {
  digest.add(run_);
  const auto add = [&digest](const RunningMean& mean) {
    digest.add(std::bit_cast<std::int64_t>(mean.mean()));
    digest.add(std::bit_cast<std::int64_t>(mean.weight()));
  };
  add(overall_);
  for (const RunningMean& mean : by_run_) add(mean);
  for (const Dispute& dispute : disputes_) {
    for (const std::int32_t number : {dispute.position, dispute.draft, dispute.own, dispute.run}) digest.add(number);
  }
}

}  // namespace pipespec::decoding
