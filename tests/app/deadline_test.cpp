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

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

TEST(Deadline, TheConfiguredTimeCountsFromNow) {
  const double before = steady_seconds();
  const double moment = *last_moment({.time_seconds = 600, .stop_before_end_seconds = 100});
  EXPECT_GE(moment, before + 500);
  EXPECT_LE(moment, steady_seconds() + 500);
}

TEST(Deadline, SlurmsEndOfTheJobIsTakenWhereTheFileSaysAuto) {
  const double before = steady_seconds(), date_before = seconds_since_1970();
  const auto end = static_cast<std::int64_t>(date_before) + 1000;
  setenv("SLURM_JOB_END_TIME", std::to_string(end).c_str(), 1);
  const double moment = *last_moment({.time_seconds = {}, .stop_before_end_seconds = 100});
  const auto left_at = [&](double date) { return static_cast<double>(end) - date - 100; };
  EXPECT_GE(moment, before + left_at(seconds_since_1970()));
  EXPECT_LE(moment, steady_seconds() + left_at(date_before));
  setenv("SLURM_JOB_END_TIME", "soon", 1);
  EXPECT_FALSE(last_moment({.time_seconds = {}, .stop_before_end_seconds = 100}));
  unsetenv("SLURM_JOB_END_TIME");
}

}  // namespace
}  // namespace pipespec::app
