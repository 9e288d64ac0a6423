#include "pipeline/void_watch.hpp"

#include <cmath>

namespace pipespec::pipeline {

void VoidWatch::begin_pass(double now, double seconds) {
  looked_ = now;
  end_ = now + seconds;
  const bool is_at_risk = seconds > 0 && voided_.mean() > 0;
  interval_ =
      is_at_risk ? std::sqrt(2 * cost_.mean() * seconds / voided_.mean()) : std::numeric_limits<double>::infinity();
}

void VoidWatch::looked(double begin, double end) {
  looked_ = end;
  cost_.observe(end - begin);
}

void VoidWatch::end_pass(bool is_void) {
  voided_.observe(is_void ? 1 : 0);
}

}  // namespace pipespec::pipeline
