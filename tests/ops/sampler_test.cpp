// Drawing tokens: the distribution, the filters in their order, and what a draw depends on.
#include "ops/sampler.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <numeric>

#include "ops/instruction_set.hpp"
#include "ops/random_data.hpp"

namespace pipespec::ops {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

device::Stream stream(device::Device::host(), 2);

/// The tokens drawn at the positions 0, 1, … of a sequence, always from the same logits.
std::vector<Token> draws(const Sampling& sampling, const std::vector<float>& logits, int count,
                         std::uint64_t sequence = 7, std::span<const Token> listed = {}) {
  constexpr int rows = 1000;
  const auto vocabulary = static_cast<std::int64_t>(logits.size());
  Sampler sampler(sampling, rows, vocabulary, listed);
  Matrix matrix(rows, vocabulary);
  std::vector<Token> drawn(static_cast<std::size_t>(count)), tokens(rows);
  for (int first = 0; first < count; first += rows) {
    std::vector<DrawPlace> places;
    for (int r = 0; r < rows; ++r) {
      std::ranges::copy(logits, matrix.view().row(r));
      places.push_back({sequence, first + r, {}});
    }
    sampler.draw(stream, matrix.view(), places, tokens);
    std::copy_n(tokens.begin(), std::min(rows, count - first), drawn.begin() + first);
  }
  return drawn;
}

std::vector<double> softmax(const std::vector<float>& logits, double temperature) {
  std::vector<double> p;
  for (const float logit : logits) p.push_back(std::exp(logit / temperature));
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& each : p) each /= sum;
  return p;
}

/// Pearson's statistic of the draws against the probabilities, as a multiple of its standard deviation from its mean.
double chi_square_z(const std::vector<Token>& drawn, const std::vector<double>& p) {
  std::vector<int> counts(p.size());
  for (const Token token : drawn) ++counts[static_cast<std::size_t>(token)];
  double statistic = 0;
  int classes = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double expected = p[i] * static_cast<double>(drawn.size());
    if (expected == 0) {
      EXPECT_EQ(counts[i], 0) << "token " << i;
      continue;
    }
    statistic += (counts[i] - expected) * (counts[i] - expected) / expected;
    ++classes;
  }
  return (statistic - (classes - 1)) / std::sqrt(2.0 * (classes - 1));
}

std::vector<float> some_logits(int count, float scale) {
  const Matrix random = random_matrix(1, count, 11);
  std::vector<float> logits(random.values.begin(), random.values.end());
  for (float& each : logits) each *= scale;
  return logits;
}

constexpr int many = 100'000;

class SamplerDistribution : public ::testing::TestWithParam<double> {};

TEST_P(SamplerDistribution, is_the_softmax_at_the_temperature) {
  const auto logits = some_logits(70, 1.5f);
  EXPECT_LT(
      std::abs(chi_square_z(draws({.temperature = GetParam(), .seed = 1}, logits, many), softmax(logits, GetParam()))),
      4);
}

INSTANTIATE_TEST_SUITE_P(Temperatures, SamplerDistribution, ::testing::Values(0.5, 0.7, 1.0, 1.2, 3.0),
                         [](const auto& instance) { return std::to_string(static_cast<int>(instance.param * 10)); });

TEST(Sampler, draws_at_neighbouring_positions_are_independent) {
  const std::vector<float> logits = {0.0f, 0.5f, 1.0f};
  const auto drawn = draws({.temperature = 1, .seed = 3}, logits, many);
  const auto p = softmax(logits, 1);
  std::vector<Token> pairs;
  for (std::size_t i = 0; i + 1 < drawn.size(); i += 2) pairs.push_back(drawn[i] * 3 + drawn[i + 1]);
  std::vector<double> joint;
  for (const double a : p)
    for (const double b : p) joint.push_back(a * b);
  EXPECT_LT(std::abs(chi_square_z(pairs, joint)), 4);
}

TEST(Sampler, the_same_place_gives_the_same_token_and_another_another) {
  const auto logits = some_logits(500, 1);
  const Sampling sampling{.temperature = 1, .seed = 5};
  const auto drawn = draws(sampling, logits, 1000);
  EXPECT_EQ(drawn, draws(sampling, logits, 1000));
  EXPECT_NE(drawn, draws({.temperature = 1, .seed = 6}, logits, 1000));
  EXPECT_NE(drawn, draws(sampling, logits, 1000, 8));
  EXPECT_NE(drawn, draws(sampling, logits, 1000, 7 + (1ull << 32)));
}

TEST(Sampler, two_models_that_nearly_agree_draw_the_same_token_nearly_always) {
  const auto logits = some_logits(500, 1);
  auto other = logits;
  for (std::size_t i = 0; i < other.size(); i += 2) other[i] += 0.02f;
  const Sampling sampling{.temperature = 1};
  const auto a = draws(sampling, logits, 10'000), b = draws(sampling, other, 10'000);
  int equal = 0;
  for (std::size_t i = 0; i < a.size(); ++i) equal += a[i] == b[i];
  EXPECT_GT(equal, 9'850);  // total variation 0.005: at least (1 − TV)/(1 + TV) = 0.990 of the draws
}

TEST(Sampler, a_vocabulary_may_end_inside_a_vector) {
  for (const int vocabulary : {1, 15, 17, 63, 64, 65, 100}) {
    const std::vector<float> logits(static_cast<std::size_t>(vocabulary));
    const std::vector<double> even(logits.size(), 1.0 / vocabulary);
    const auto drawn = draws({.temperature = 1}, logits, 20'000);
    if (vocabulary > 1)
      EXPECT_LT(std::abs(chi_square_z(drawn, even)), 4) << vocabulary;
    else
      EXPECT_THAT(drawn, Each(0));
  }
}

TEST(Sampler, top_k_leaves_the_k_most_likely) {
  const std::vector<float> logits = {1, 3, 2, 3, 0};
  EXPECT_LT(std::abs(chi_square_z(draws({.temperature = 1, .top_k = 2}, logits, many), {0, 0.5, 0, 0.5, 0})), 4);
  EXPECT_THAT(draws({.temperature = 1, .top_k = 1}, logits, 100), Each(1)) << "ties: the lower token";
}

TEST(Sampler, top_p_leaves_the_fewest_that_have_the_probability) {
  const std::vector<float> logits = {std::log(0.1f), std::log(0.5f), std::log(0.15f), std::log(0.25f)};
  const auto of = [&](double p) { return draws({.temperature = 1, .top_p = p}, logits, many); };
  EXPECT_THAT(of(0.4), Each(1));
  EXPECT_LT(std::abs(chi_square_z(of(0.6), {0, 2 / 3.0, 0, 1 / 3.0})), 4);
  EXPECT_LT(std::abs(chi_square_z(of(0.8), {0, 0.5 / 0.9, 0.15 / 0.9, 0.25 / 0.9})), 4);
}

TEST(Sampler, top_p_of_a_flat_distribution_leaves_many) {
  const std::vector<float> logits(1000);
  std::vector<double> even(1000);
  std::fill_n(even.begin(), 900, 1 / 900.0);
  EXPECT_LT(std::abs(chi_square_z(draws({.temperature = 1, .top_p = 0.8999}, logits, 20'000), even)), 4);
}

TEST(Sampler, min_p_leaves_what_has_a_share_of_the_largest) {
  const std::vector<float> logits = {std::log(0.1f), std::log(0.5f), std::log(0.15f), std::log(0.25f)};
  EXPECT_LT(std::abs(chi_square_z(draws({.temperature = 1, .min_p = 0.4}, logits, many), {0, 2 / 3.0, 0, 1 / 3.0})), 4);
}

TEST(Sampler, filters_look_at_the_probabilities_at_the_temperature) {
  const std::vector<float> logits = {2 * std::log(0.1f), 2 * std::log(0.5f), 2 * std::log(0.15f), 2 * std::log(0.25f)};
  EXPECT_LT(std::abs(chi_square_z(draws({.temperature = 2, .top_p = 0.6}, logits, many), {0, 2 / 3.0, 0, 1 / 3.0})), 4);
}

TEST(Sampler, top_k_comes_before_top_p) {
  const std::vector<float> logits = {std::log(0.4f), std::log(0.3f), std::log(0.3f)};
  // Of the two that top-k leaves, the first has 4/7, more than 0.55: alone it would have had 0.4.
  EXPECT_THAT(draws({.temperature = 1, .top_k = 2, .top_p = 0.55}, logits, 1000), Each(0));
}

TEST(Sampler, listed_tokens_are_drawn_as_if_the_others_were_impossible) {
  auto logits = some_logits(700, 1);
  std::vector<Token> listed;
  std::vector<float> of_listed;
  for (Token token = 0; token < 700; ++token) {
    if (token % 5 == 2 || (token > 300 && token < 350)) {
      listed.push_back(token);
      of_listed.push_back(logits[static_cast<std::size_t>(token)]);
    } else {
      logits[static_cast<std::size_t>(token)] = -std::numeric_limits<float>::infinity();
    }
  }
  for (const Sampling& sampling : {Sampling{.temperature = 0.9, .seed = 3}, Sampling{.temperature = 1, .top_k = 50},
                                   Sampling{.temperature = 1, .top_p = 0.9, .min_p = 0.1}})
    for (const std::string& name : available_instruction_sets()) {
      const InstructionSetGuard guard(name);
      EXPECT_EQ(draws(sampling, of_listed, 2000, 7, listed), draws(sampling, logits, 2000)) << name;
    }
}

Token penalised(const std::vector<float>& logits, const std::vector<Token>& recent, double penalty, int window = 64,
                std::span<const Token> listed = {}) {
  const Sampling sampling{.repetition_penalty = penalty, .repetition_window = window};
  Sampler sampler(sampling, 1, static_cast<std::int64_t>(logits.size()), listed);
  Matrix matrix(1, static_cast<std::int64_t>(logits.size()));
  std::ranges::copy(logits, matrix.view().row(0));
  std::vector<Token> token(1);
  const DrawPlace place{0, 0, recent};
  sampler.draw(stream, matrix.view(), {&place, 1}, token);
  return token[0];
}

TEST(Sampler, a_penalty_makes_recent_tokens_less_likely) {
  EXPECT_EQ(penalised({2.0f, 1.9f}, {}, 1.5), 0);
  EXPECT_EQ(penalised({2.0f, 1.9f}, {0}, 1.5), 1);
  EXPECT_EQ(penalised({-1.9f, -2.0f}, {0}, 1.5), 1) << "negative logits are multiplied";
}

TEST(Sampler, a_token_is_penalised_once_however_often_it_was_written) {
  EXPECT_EQ(penalised({2.0f, 1.2f}, {0, 0, 0, 0}, 1.5), 0);
}

TEST(Sampler, only_the_last_tokens_are_penalised_and_unknown_ones_do_not_count) {
  EXPECT_EQ(penalised({2.0f, 1.9f}, {0, 1, 1}, 1.5, 2), 0);
  EXPECT_EQ(penalised({2.0f, 1.9f}, {5, 0, 9}, 1.5), 1);
}

TEST(Sampler, listed_tokens_are_penalised_by_their_names) {
  const std::vector<Token> listed = {3, 5, 9};
  EXPECT_EQ(penalised({2.0f, 1.9f, 1.8f}, {0, 1, 5}, 1.5, 64, listed), 3);
  EXPECT_EQ(penalised({2.0f, 1.9f, 1.8f}, {3, 4, 10}, 1.5, 64, listed), 5);
  EXPECT_EQ(penalised({2.0f, 1.9f, 1.8f}, {5, 3}, 1.5, 64, listed), 9);
}

TEST(Sampler, every_instruction_set_draws_the_same_tokens) {
  const auto logits = some_logits(1000, 2);
  const Sampling sampling{.temperature = 0.9, .top_k = 300, .top_p = 0.95, .min_p = 0.001};
  const auto expected = draws(sampling, logits, 2000);
  const auto unfiltered = draws({.temperature = 0.9}, logits, 2000);
  for (const std::string& name : available_instruction_sets()) {
    const InstructionSetGuard guard(name);
    EXPECT_EQ(draws(sampling, logits, 2000), expected) << name;
    EXPECT_EQ(draws({.temperature = 0.9}, logits, 2000), unfiltered) << name;
  }
}

}  // namespace
}  // namespace pipespec::ops
