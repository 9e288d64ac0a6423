#include "ops/attention.hpp"

#include <gmock/gmock.h>

#include <cmath>

#include "core/error.hpp"
#include "ops/random_data.hpp"

namespace pipespec::ops {
namespace {

device::Stream stream(device::Device::host(), 2);

struct Shape {
  int heads, kv_heads, head_dim;
  Position begin;
  std::int64_t rows;
};

/// The cache of one sequence.
struct Cache {
  Cache(KvType type, const Shape& shape, Position positions)
      : memory(type, shape.kv_heads, shape.head_dim, positions), view(memory.view()) {}
  KvMemory memory;
  KvView view;
};

/// softmax(q·k/√d)·v of one row and head, in double precision.
std::vector<double> expected_head(const Shape& s, const Matrix& q, const Matrix& k, const Matrix& v, std::int64_t row,
                                  std::int64_t head) {
  const std::int64_t kv_head = head / (s.heads / s.kv_heads), last = s.begin + row;
  std::vector<double> weight, out(static_cast<std::size_t>(s.head_dim));
  for (std::int64_t p = 0; p <= last; ++p) {
    double score = 0;
    for (std::int64_t d = 0; d < s.head_dim; ++d)
      score += static_cast<double>(q.at(row, head * s.head_dim + d)) * k.at(p, kv_head * s.head_dim + d);
    weight.push_back(std::exp(score / std::sqrt(s.head_dim)));
  }
  double sum = 0;
  for (const double w : weight) sum += w;
  for (std::int64_t p = 0; p <= last; ++p)
    for (std::int64_t d = 0; d < s.head_dim; ++d)
      out[static_cast<std::size_t>(d)] += weight[static_cast<std::size_t>(p)] / sum * v.at(p, kv_head * s.head_dim + d);
  return out;
}

class Attention : public ::testing::TestWithParam<Shape> {};

void expect_close(const Shape& s, KvType type, double tolerance) {
  const Position positions = s.begin + static_cast<Position>(s.rows);
  const Matrix q = random_matrix(s.rows, s.heads * s.head_dim, 1);
  const Matrix k = random_matrix(positions, s.kv_heads * s.head_dim, 2);
  const Matrix v = random_matrix(positions, s.kv_heads * s.head_dim, 3);
  Cache cache(type, s, positions);
  store_kv(stream, one_sequence(cache.view, 0, k.rows), k.view(), v.view());
  Matrix out(s.rows, s.heads * s.head_dim);
  attention(stream, one_sequence(cache.view, s.begin, s.rows), q.view(), out.view());
  for (std::int64_t r = 0; r < s.rows; ++r)
    for (std::int64_t head = 0; head < s.heads; ++head) {
      const auto expected = expected_head(s, q, k, v, r, head);
      for (std::int64_t d = 0; d < s.head_dim; ++d)
        ASSERT_NEAR(out.at(r, head * s.head_dim + d), expected[static_cast<std::size_t>(d)], tolerance)
            << "row " << r << " head " << head << " element " << d;
    }
}

TEST_P(Attention, IsTheDoublePrecisionSoftmax) {
  expect_close(GetParam(), KvType::f32, 1e-5);
}

/// Keys and values rounded to 11 bits move scores of order 1 by some 2^-11, and the values themselves by 2^-12.
TEST_P(Attention, WithHalvesIsWithinTheirRounding) {
  expect_close(GetParam(), KvType::f16, 4e-3);
}

/// Keys and values rounded to 1/127 of the largest of some 32, about 2.5 here, move scores of order 1 and values by
/// some 2.5/254, and averages over many positions by less.
TEST_P(Attention, WithCodesOfEightBitsIsWithinTheirRounding) {
  expect_close(GetParam(), KvType::int8, 3e-2);
}

INSTANTIATE_TEST_SUITE_P(Shapes, Attention,
                         ::testing::Values(Shape{1, 1, 8, 0, 1}, Shape{9, 3, 64, 0, 70}, Shape{9, 3, 64, 63, 2},
                                           Shape{9, 3, 64, 300, 5}, Shape{4, 1, 24, 17, 9}, Shape{4, 4, 16, 128, 1},
                                           Shape{12, 1, 10, 60, 7}, Shape{3, 1, 80, 1100, 3}));

TEST(Attention, LargeScoresDoNotOverflow) {
  const Shape s{1, 1, 16, 0, 200};
  Matrix q(200, 16), k(200, 16), v = random_matrix(200, 16, 1), out(200, 16);
  for (std::int64_t p = 0; p < 200; ++p) {
    q.at(p, 0) = 100.0f;
    k.at(p, 0) = static_cast<float>(p) * 10;  // the last position has all the weight
  }
  Cache cache(KvType::f32, s, 200);
  store_kv(stream, one_sequence(cache.view, 0, k.rows), k.view(), v.view());
  attention(stream, one_sequence(cache.view, 0, q.rows), q.view(), out.view());
  for (std::size_t i = 0; i < out.values.size(); ++i) ASSERT_NEAR(out.values[i], v.values[i], 1e-6);
}

TEST(StoreKv, ValuesBeyondTheRangeOfHalvesAreHeldAtItsEnd) {
  const Shape s{1, 1, 16, 0, 1};
  Matrix q(1, 16), k(1, 16), v(1, 16), out(1, 16);
  v.at(0, 0) = 1e6f;
  v.at(0, 1) = -1e6f;
  Cache cache(KvType::f16, s, 1);
  store_kv(stream, one_sequence(cache.view, 0, k.rows), k.view(), v.view());
  attention(stream, one_sequence(cache.view, 0, q.rows), q.view(), out.view());
  EXPECT_EQ(out.at(0, 0), 65504.0f);
  EXPECT_EQ(out.at(0, 1), -65504.0f);
}

TEST(StoreKv, PositionsBeyondTheCapacityBreakTheContract) {
  const Shape s{1, 1, 8, 0, 1};
  Cache cache(KvType::f32, s, 16);
  const Matrix k(2, 8), v(2, 8);
  EXPECT_THROW(store_kv(stream, one_sequence(cache.view, 63, 2), k.view(), v.view()), ContractError);
}

TEST(AttentionScratch, IsWhatWasToldWhateverTheRows) {
  for (const KvType type : {KvType::f32, KvType::f16, KvType::int8})
    for (const std::int64_t rows : {1, 7, 64, 100}) {
      constexpr Position context = 3000;
      const Shape s{9, 3, 32, context - static_cast<Position>(rows), rows};
      const Cache cache(type, s, context);
      const Matrix k = random_matrix(context, s.kv_heads * s.head_dim, 1);
      const Matrix q = random_matrix(rows, s.heads * s.head_dim, 2);
      Matrix out(rows, s.heads * s.head_dim);
      device::Stream own(device::Device::host(), 2);
      const std::byte* scratch = own.scratch(attention_scratch_bytes(cache.view, s.heads)).data();
      store_kv(own, one_sequence(cache.view, 0, context), k.view(), k.view());
      attention(own, one_sequence(cache.view, s.begin, rows), q.view(), out.view());
      EXPECT_EQ(own.scratch(1).data(), scratch) << "it has not grown";
    }
}

TEST(AttentionScratch, IsWhatWasToldWhateverTheSequences) {
  constexpr Position context = 800;
  constexpr std::int64_t rows = 60;  // each of a sequence of its own
  for (const KvType type : {KvType::f32, KvType::int8}) {
    const Shape s{9, 3, 32, 0, rows};
    const Cache cache(type, s, context);
    const Matrix k = random_matrix(context, s.kv_heads * s.head_dim, 1),
                 q = random_matrix(rows, s.heads * s.head_dim, 2);
    Matrix out(rows, s.heads * s.head_dim);
    device::Stream own(device::Device::host(), 2);
    const std::byte* scratch = own.scratch(attention_scratch_bytes(cache.view, s.heads)).data();
    store_kv(own, one_sequence(cache.view, 0, context), k.view(), k.view());
    std::vector<SequenceRows> sequences;
    for (std::int64_t r = 0; r < rows; ++r) sequences.push_back({cache.view, context - 1, r, 1});
    attention(own, sequences, q.view(), out.view());
    EXPECT_EQ(own.scratch(1).data(), scratch) << "it has not grown";
  }
}

}  // namespace
}  // namespace pipespec::ops
