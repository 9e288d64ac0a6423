#include "app/deadline.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <string>

#include "core/clock.hpp"

namespace pipespec::app {
namespace {

TEST(Deadline, WithoutALimitAndABatchSystemThereIsNone) {
  unsetenv("SLURM_JOB_END_TIME");
  EXPECT_FALSE(last_moment({}));
}

TEST(Deadline, TheConfiguredTimeCountsFromNow) {
  const double now = steady_seconds();
  EXPECT_NEAR(*last_moment({.time_seconds = 600, .stop_before_end_seconds = 100}), now + 500, 1);
}

TEST(Deadline, SlurmsEndOfTheJobIsTakenWhereTheFileSaysAuto) {
  const auto epoch = std::chrono::system_clock::now().time_since_epoch();
  const auto end = std::chrono::duration_cast<std::chrono::seconds>(epoch).count() + 1000;
  setenv("SLURM_JOB_END_TIME", std::to_string(end).c_str(), 1);
  EXPECT_NEAR(*last_moment({.time_seconds = {}, .stop_before_end_seconds = 100}), steady_seconds() + 900, 2);
  setenv("SLURM_JOB_END_TIME", "soon", 1);
  EXPECT_FALSE(last_moment({.time_seconds = {}, .stop_before_end_seconds = 100}));
  unsetenv("SLURM_JOB_END_TIME");
}

}  // namespace
}  // namespace pipespec::app
