#include "ops/rope.hpp"

#include <gmock/gmock.h>

#include <cmath>

#include "core/error.hpp"
#include "ops/random_data.hpp"

namespace pipespec::ops {
namespace {

device::Stream stream(device::Device::host(), 2);

/// Turns pair i of a head at `position` by the definition.
void expect_turned(const Matrix& before, const Matrix& after, std::int64_t row, std::int64_t first, std::int64_t second,
                   double angle) {
  const double a = before.at(row, first), b = before.at(row, second);
  EXPECT_NEAR(after.at(row, first), a * std::cos(angle) - b * std::sin(angle), 2e-5);
  EXPECT_NEAR(after.at(row, second), a * std::sin(angle) + b * std::cos(angle), 2e-5);
}

/// Head sizes with whole vectors, with a rest, and with nothing but a rest.
class RopeOfHead : public ::testing::TestWithParam<int> {};

TEST_P(RopeOfHead, InterleavedTurnsNeighbours) {
  const int head_dim = GetParam();
  const RopeTable table(64, head_dim, 10000.0f);
  const Matrix before = random_matrix(3, 2 * head_dim, 1);
  Matrix after = before;
  rope(stream, table, RopeStyle::interleaved, positions_from(20, 3), after.view());
  for (std::int64_t r = 0; r < 3; ++r)
    for (std::int64_t head = 0; head < 2; ++head)
      for (std::int64_t i = 0; i < head_dim / 2; ++i)
        expect_turned(before, after, r, head * head_dim + 2 * i, head * head_dim + 2 * i + 1,
                      static_cast<double>(20 + r) * std::pow(10000.0, -2.0 * static_cast<double>(i) / head_dim));
}

TEST_P(RopeOfHead, HalfTurnsElementsHalfAHeadApart) {
  const int head_dim = GetParam();
  const RopeTable table(64, head_dim, 500000.0f);
  const Matrix before = random_matrix(3, 2 * head_dim, 1);
  Matrix after = before;
  rope(stream, table, RopeStyle::half, positions_from(5, 3), after.view());
  for (std::int64_t r = 0; r < 3; ++r)
    for (std::int64_t head = 0; head < 2; ++head)
      for (std::int64_t i = 0; i < head_dim / 2; ++i)
        expect_turned(before, after, r, head * head_dim + i, head * head_dim + i + head_dim / 2,
                      static_cast<double>(5 + r) * std::pow(500000.0, -2.0 * static_cast<double>(i) / head_dim));
}

INSTANTIATE_TEST_SUITE_P(Sizes, RopeOfHead, ::testing::Values(8, 40, 64, 72));

TEST(Rope, FactorsSlowPairsDown) {
  const std::vector<float> factors{1.0f, 2.0f, 8.0f, 32.0f};
  const RopeTable plain(40, 8, 10000.0f), scaled(40, 8, 10000.0f, factors);
  for (const Position position : {0, 32})
    for (std::size_t i = 0; i < 4; ++i) {
      const auto slower = static_cast<Position>(static_cast<float>(position) / factors[i]);
      EXPECT_FLOAT_EQ(scaled.cosines(position)[i], plain.cosines(slower)[i]);
      EXPECT_FLOAT_EQ(scaled.sines(position)[i], plain.sines(slower)[i]);
    }
}

TEST(Rope, PositionZeroChangesNothing) {
  const RopeTable table(4, 16, 10000.0f);
  const Matrix before = random_matrix(1, 16, 1);
  Matrix after = before;
  rope(stream, table, RopeStyle::half, positions_from(0, 1), after.view());
  EXPECT_EQ(after.values, before.values);
}

TEST(Rope, PositionsBeyondTheContextBreakTheContract) {
  const RopeTable table(4, 8, 10000.0f);
  Matrix x(2, 8);
  EXPECT_THROW(rope(stream, table, RopeStyle::half, positions_from(3, 2), x.view()), ContractError);
}

}  // namespace
}  // namespace pipespec::ops
