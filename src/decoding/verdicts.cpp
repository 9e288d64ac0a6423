#include "decoding/verdicts.hpp"

#include <algorithm>
#include <bit>

namespace pipespec::decoding {

void Verdicts::cut(Position position) {
  std::erase_if(disputes_, [position](const Dispute& dispute) { return dispute.position > position; });
}

void Verdicts::settle(std::span<const Token> text) {
  constexpr float weight = 0.1f;  // of the latest verdict
  const auto open = std::ranges::find_if(
      disputes_, [&](const Dispute& dispute) { return dispute.position >= static_cast<Position>(text.size()); });
  for (auto dispute = disputes_.begin(); dispute != open; ++dispute) {
    const Token right = text[dispute->position];
    const float verdict = right == dispute->draft ? 1 : right == dispute->own ? -1 : 0;
    float& lean = lean_[bucket(dispute->run)];
    if (verdict != 0) lean += weight * (verdict - lean);
  }
  disputes_.erase(disputes_.begin(), open);
}

Verdicts Verdicts::for_next_sequence() const {
  Verdicts next;
  next.lean_ = lean_;
  return next;
}

void Verdicts::add_to(Digest& digest) const {
  digest.add(run_);
  for (const float lean : lean_) digest.add(std::bit_cast<std::int32_t>(lean));
  for (const Dispute& dispute : disputes_) {
    for (const std::int32_t number : {dispute.position, dispute.draft, dispute.own, dispute.run}) digest.add(number);
  }
}

}  // namespace pipespec::decoding
