#include "simulate/summary.hpp"

#include <gtest/gtest.h>

namespace pipespec::simulate {
namespace {

StepRecord step(double begin, double end, int appended, StepKind kind) {
  return {.sequence = {}, .begin = begin, .end = end, .appended = appended, .kind = kind};
}

/// Two stages; the first token after 1 s, then 3 and 1 tokens in passes of 2 s.
Sample first() {
  return {
      .tokens = {5, 6, 7, 8, 9},
      .commit_times = {1, 3, 3, 3, 5},
      .start = 0,
      .steps = {{step(0, 1.5, 1, StepKind::prefill), step(2, 4, 1, StepKind::draft), step(4.5, 6, 1, StepKind::draft)},
                {step(0, 1, 1, StepKind::prefill), step(1, 3, 3, StepKind::verify), step(3, 5, 1, StepKind::draft)}},
      .messages = 20};
}

TEST(SimulationSummary, CountsTheTimeFromTheFirstTokenToTheLast) {
  const Sample samples[] = {first()};
  const Summary summary = summarise(samples);
  EXPECT_EQ(summary.tokens, 5);
  EXPECT_DOUBLE_EQ(summary.ms_per_token, 1000);
  EXPECT_DOUBLE_EQ(summary.tokens_per_second, 1);
  EXPECT_DOUBLE_EQ(summary.tokens_per_pass, 2);
  EXPECT_DOUBLE_EQ(summary.messages_per_token, 4);
  ASSERT_EQ(summary.busy.size(), 2U);
  EXPECT_DOUBLE_EQ(summary.busy[0], 3.0 / 4) << "0.5 s, 2 s and 0.5 s of 4 s";
  EXPECT_DOUBLE_EQ(summary.busy[1], 1);
}

TEST(SimulationSummary, SequencesInFlightTogetherShareTheTime) {
  Sample second = first();
  for (double& time : second.commit_times) time += 2;
  second.steps = {{}, {step(1, 3, 1, StepKind::prefill), step(6, 7, 4, StepKind::verify)}};
  const Sample samples[] = {first(), second};
  const Summary summary = summarise(samples);
  EXPECT_DOUBLE_EQ(summary.ms_per_token, 1000);
  EXPECT_DOUBLE_EQ(summary.tokens_per_second, 8.0 / 6) << "from 1 s to 7 s";
  EXPECT_DOUBLE_EQ(summary.busy[1], 5.0 / 6) << "a step for both counts once";
}

TEST(SimulationSummary, WithoutATimedTokenThereIsNothingToMeasure) {
  Sample sample = first();
  sample.tokens.resize(1);
  sample.commit_times.resize(1);
  const Sample samples[] = {sample};
  const Summary summary = summarise(samples);
  EXPECT_EQ(summary.ms_per_token, 0);
  EXPECT_EQ(summary.tokens_per_second, 0);
  EXPECT_EQ(summary.busy[1], 0);
  EXPECT_EQ(summarise({}).tokens, 0);
}

}  // namespace
}  // namespace pipespec::simulate
