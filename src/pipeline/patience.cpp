#include "pipeline/patience.hpp"

namespace pipespec::pipeline {

void Patience::passed(double seconds) {
  pass_ = pass_ == 0 ? seconds : memory * pass_ + (1 - memory) * seconds;
  has_decided_ = false;
  since_.reset();
}

bool Patience::holds_back(double now) {
  if (!has_decided_) {
    has_decided_ = true;
    const bool is_worth_it = answer_ < longest() || ++skipped_ > retry;
    if (is_worth_it) {
      skipped_ = 0;
      since_ = now;
    }
  }
  if (!since_) return false;
  if (now - *since_ < longest()) return true;
  learn(4 * longest());  // later than we waited; how much later is not known
  since_.reset();
  return false;
}

void Patience::answered(double now) {
  if (!since_) return;
  learn(now - *since_);
  since_.reset();
}

}  // namespace pipespec::pipeline
