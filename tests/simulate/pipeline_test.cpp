#include "simulate/pipeline.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/synthetic_text.hpp"
#include "simulate/summary.hpp"
#include "simulate/synthetic_compute.hpp"

namespace pipespec::simulate {
namespace {

using decoding::Schedule;

/// A chain of synthetic stages. `ms` [stage] of every pass, `agreement` [stage] with the next.
struct Setting {
  std::vector<double> ms;
  std::vector<double> agreement;
  Schedule schedule = Schedule::pipelined;
  int window = 16;
  int max_ahead = 64;
  int lookahead = 4;
  Latency latency = {};
  int in_flight = 1;
  double mean_length = 0;
  StepPolicy policy = {.kind = StepPolicy::Kind::eager};
  double row_ms = 0;  // of every row of the target but the first

  SyntheticText text() const {
    std::vector<SyntheticText::Voice> voices;
    for (const double each : agreement) voices.push_back({each, 1});
    voices.push_back({0, 1});
    return {1000, mean_length, voices};
  }

  Chain chain() const {
    Chain chain{
        .stages = {},
        .options = {.index = {},
                    .schedule = schedule,
                    .window = schedule == Schedule::synchronous ? lookahead + static_cast<int>(ms.size()) : window,
                    .max_ahead = max_ahead,
                    .lookahead = lookahead,
                    .end_tokens = {SyntheticText::end_token}},
        .policy = policy,
        .latency = latency,
        .sequences_in_flight = in_flight};
    for (std::size_t s = 0; s < ms.size(); ++s) {
      const double first = ms[s] * 1e-3, row = s + 1 == ms.size() ? row_ms * 1e-3 : 0;
      chain.stages.push_back(
          {StepTimes({{1, first}, {2, first + row}}), synthetic_compute(text(), static_cast<int>(s))});
    }
    return chain;
  }
};

std::vector<Prompt> prompts(int count, int new_tokens) {
  std::vector<Prompt> all;
  for (Token token = 1; token <= count; ++token) all.push_back({{token, 7}, 2 + new_tokens});
  return all;
}

/// What the last stage says by itself.
std::vector<Token> own_text(const SyntheticText& text, const Prompt& prompt) {
  SyntheticText::Prefix prefix = 0;
  for (const Token token : prompt.tokens) prefix = SyntheticText::extend(prefix, token);
  std::vector<Token> output;
  while (std::ssize(prompt.tokens) + std::ssize(output) < prompt.max_length) {
    output.push_back(text.next(text.stages() - 1, prefix));
    if (output.back() == SyntheticText::end_token) break;
    prefix = SyntheticText::extend(prefix, output.back());
  }
  return output;
}

double ms_per_token(const Setting& setting, int new_tokens = 4000) {
  return summarise(run(setting.chain(), prompts(1, new_tokens))).ms_per_token;
}

TEST(SimulatedPipeline, TheOutputIsTheTargetsOwn) {
  for (const Schedule schedule : {Schedule::pipelined, Schedule::synchronous}) {
    for (const Latency latency : {Latency{}, Latency{0.003, 0.002}}) {
      for (const int in_flight : {1, 3}) {
        for (int stages = 1; stages <= 5; ++stages) {
          Setting setting{
              .ms = {0.5, 1, 2, 4, 8}, .agreement = {0.6, 0.7, 0.8, 0.9}, .schedule = schedule, .window = 6};
          setting.ms.erase(setting.ms.begin(), setting.ms.end() - stages);
          setting.agreement.erase(setting.agreement.begin(), setting.agreement.end() - (stages - 1));
          setting.latency = latency;
          setting.in_flight = in_flight;
          setting.mean_length = 60;
          const std::vector<Prompt> all = prompts(8, 100);
          const std::vector<Sample> samples = run(setting.chain(), all);
          ASSERT_EQ(samples.size(), all.size());
          for (std::size_t i = 0; i < all.size(); ++i) {
            EXPECT_EQ(samples[i].tokens, own_text(setting.text(), all[i]));
            EXPECT_EQ(samples[i].commit_times.size(), samples[i].tokens.size());
          }
        }
      }
    }
  }
}

TEST(SimulatedPipeline, ATargetAloneTakesAPassAToken) {
  EXPECT_NEAR(ms_per_token({.ms = {7}, .agreement = {}}), 7, 1e-9);
}

TEST(SimulatedPipeline, ADrafterThatIsAlwaysRightSetsThePace) {
  // 16 rows a pass would do for 1.6 tokens a ms; the drafter makes one.
  EXPECT_NEAR(ms_per_token({.ms = {1, 10}, .agreement = {1}}), 1, 0.02);
  // A fast one fills every window: 16 tokens a pass.
  EXPECT_NEAR(ms_per_token({.ms = {0.1, 10}, .agreement = {1}}), 10.0 / 16, 0.01);
}

TEST(SimulatedPipeline, ADrafterThatIsAlwaysWrongCostsNothing) {
  EXPECT_NEAR(ms_per_token({.ms = {1, 10}, .agreement = {0}}), 10, 1e-9);
}

TEST(SimulatedPipeline, TakingTurnsCostsDraftsAndAPassARound) {
  constexpr double agreement = 0.8;
  constexpr int lookahead = 4;
  const double tokens = (1 - std::pow(agreement, lookahead + 1)) / (1 - agreement);
  const double expected = (lookahead * 1.0 + 10.0) / tokens;
  const Setting setting{
      .ms = {1, 10}, .agreement = {agreement}, .schedule = Schedule::synchronous, .lookahead = lookahead};
  EXPECT_NEAR(ms_per_token(setting, 20000), expected, 0.02 * expected);
}

TEST(SimulatedPipeline, TakingTurnsWaitsForEveryMessage) {
  Setting setting{.ms = {1, 10}, .agreement = {1}, .schedule = Schedule::synchronous};
  const double without = ms_per_token(setting);
  setting.latency = {0.002, 0};
  EXPECT_NEAR(ms_per_token(setting) - without, 2 * 2.0 / 5, 0.01) << "there and back, five tokens a round";
}

TEST(SimulatedPipeline, APassThatACorrectionVoidsIsCutShortUnlessRanksShareIt) {
  const Setting setting{.ms = {4, 10}, .agreement = {0.8}};
  Chain shared = setting.chain();
  shared.stages[0].is_shared = true;
  const auto cut = run(setting.chain(), prompts(1, 4000)), whole = run(shared, prompts(1, 4000));
  EXPECT_EQ(cut[0].tokens, whole[0].tokens);
  EXPECT_LT(summarise(cut).ms_per_token, 0.97 * summarise(whole).ms_per_token);
  const auto given_up = [](const StepRecord& step) { return step.given_up == 1; };
  EXPECT_GT(std::ranges::count_if(cut[0].steps[0], given_up), 0);
  EXPECT_TRUE(std::ranges::none_of(cut[0].steps[1], given_up)) << "the target's word stands";
  EXPECT_TRUE(std::ranges::none_of(whole[0].steps[0], given_up));
  for (const StepRecord& step : cut[0].steps[0]) EXPECT_TRUE(!given_up(step) || step.end - step.begin < 0.004);
}

TEST(SimulatedPipeline, LatencyDoesNotSlowDownWhatIsNeverRejected) {
  Setting setting{.ms = {1, 10}, .agreement = {1}};
  const double without = ms_per_token(setting);
  setting.latency = {0.005, 0.004};
  EXPECT_NEAR(ms_per_token(setting), without, 0.02);
}

TEST(SimulatedPipeline, IsTheSameEveryTime) {
  const Setting setting{.ms = {0.7, 3, 10}, .agreement = {0.7, 0.9}, .latency = {0.001, 0.001}};
  const auto one = run(setting.chain(), prompts(3, 300)), other = run(setting.chain(), prompts(3, 300));
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].commit_times, other[i].commit_times);
    EXPECT_EQ(one[i].steps, other[i].steps);
  }
}

TEST(SimulatedPipeline, AnEarlyMessageNeverOvertakesTheOneBeforeIt) {
  // With more jitter than the time between two messages; the state machine refuses tokens that leave a gap.
  const Setting setting{.ms = {0.1, 5}, .agreement = {0.9}, .latency = {0.010, 0.010}};
  EXPECT_NO_THROW(ms_per_token(setting));
}

// In virtual time, so these are no measurements.

TEST(Policies, AdaptiveIsAsFastAsTheBestOfTheOthers) {
  const Setting chains[] = {
      {.ms = {1, 10}, .agreement = {0.8}, .row_ms = 0.5},          {.ms = {1, 10}, .agreement = {0.5}, .row_ms = 2},
      {.ms = {4, 10}, .agreement = {0.6}, .row_ms = 0.5},          {.ms = {0.2, 10}, .agreement = {0.6}, .row_ms = 0.5},
      {.ms = {0.2, 10}, .agreement = {0.9}, .row_ms = 0.2},        {.ms = {8, 10}, .agreement = {0.9}, .row_ms = 0.2},
      {.ms = {0.5, 2, 8}, .agreement = {0.6, 0.8}, .row_ms = 0.4},
  };
  for (Setting setting : chains) {
    double best = ms_per_token(setting);
    for (int lookahead = 2; lookahead <= 8; ++lookahead) {
      setting.policy = {.kind = StepPolicy::Kind::lookahead, .lookahead = lookahead};
      best = std::min(best, ms_per_token(setting));
    }
    setting.policy = {.kind = StepPolicy::Kind::adaptive};
    EXPECT_LT(ms_per_token(setting), 1.05 * best) << setting.ms.front() << " ms, " << setting.agreement.front();
  }
}

TEST(Policies, AdaptiveIsNotSlowedDownByAHopelessDrafter) {
  const Setting setting{.ms = {1, 10}, .agreement = {0}, .policy = {.kind = StepPolicy::Kind::adaptive}, .row_ms = 2};
  EXPECT_LT(ms_per_token(setting, 500), 1.02 * 10);
}

TEST(Policies, DoNotChangeTheOutput) {
  Setting setting{.ms = {0.5, 2, 8}, .agreement = {0.6, 0.8}, .latency = {0.001, 0.001}, .row_ms = 1};
  const std::vector<Prompt> all = prompts(4, 200);
  for (const StepPolicy policy : {StepPolicy{StepPolicy::Kind::adaptive, 0}, StepPolicy{StepPolicy::Kind::lookahead, 3},
                                  StepPolicy{StepPolicy::Kind::lookahead, 100}}) {
    for (const int in_flight : {1, 3}) {
      for (const int max_ahead : {1, 64}) {
        setting.policy = policy;
        setting.in_flight = in_flight;
        setting.max_ahead = max_ahead;
        const std::vector<Sample> samples = run(setting.chain(), all);
        for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(samples[i].tokens, own_text(setting.text(), all[i]));
      }
    }
  }
}

/// Step times of a published measurement, and how often its models agree: LLaMA 3 on HumanEval, PyTorch on A100, of
/// https://github.com/BradMcDanel/pipespec at 9a64774 (benchmark_results/humaneval): a token of the 1B 11.56 ms, a
/// token of the 8B 23.80, a verification of several tokens by the 8B 26.46; agreement 0.94. Its pipeline of Python
/// processes took 13.9 to 16 ms a token.
TEST(SimulatedPipeline, WithTheStepTimesOfThePublishedPipelineIsFasterThanIt) {
  Setting setting{.ms = {11.56, 0}, .agreement = {0.94}};
  Chain chain = setting.chain();
  chain.stages[1].times = StepTimes({{1, 0.0238}, {2, 0.02646}, {3, 0.02646}});
  EXPECT_NEAR(summarise(run(chain, prompts(4, 5000))).ms_per_token, 13.2, 0.3);
}

}  // namespace
}  // namespace pipespec::simulate
