/// A row's bits do not depend on the other rows, the threads or the instruction set.
#include <gtest/gtest.h>

#include <bit>
#include <functional>

#include "ops/attention.hpp"
#include "ops/instruction_set.hpp"
#include "ops/linear.hpp"
#include "ops/random_data.hpp"
#include "ops/rms_norm.hpp"
#include "ops/rope.hpp"
#include "ops/swiglu.hpp"

namespace pipespec::ops {
namespace {

constexpr std::int64_t most_rows = 64;

/// Compares bits, so that −0 and 0, or two NaN, differ.
::testing::AssertionResult same_bits(const float* a, const float* b, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i)
    if (std::bit_cast<std::uint32_t>(a[i]) != std::bit_cast<std::uint32_t>(b[i]))
      return ::testing::AssertionFailure() << "element " << i << ": " << a[i] << " and " << b[i];
  return ::testing::AssertionSuccess();
}

/// Rows [first, first + rows) of the inputs through an operation that maps rows to rows.
using RowOperation = std::function<Matrix(device::Stream&, std::int64_t first, std::int64_t rows)>;

/// All that must not matter: number of rows, their place, threads, instruction set.
void expect_row_invariant(const RowOperation& operation) {
  device::Stream one(device::Device::host(), 1), two(device::Device::host(), 2);
  const Matrix expected = operation(one, 0, most_rows);
  const auto check = [&](device::Stream& stream, std::int64_t first, std::int64_t rows) {
    const Matrix found = operation(stream, first, rows);
    ASSERT_TRUE(same_bits(found.values.data(), &expected.values[static_cast<std::size_t>(first * expected.cols)],
                          rows * expected.cols))
        << rows << " rows from " << first << ", " << stream.pool().threads() << " threads, " << instruction_set();
  };
  for (const std::string& set : available_instruction_sets()) {
    const InstructionSetGuard guard(set);
    for (device::Stream* stream : {&one, &two}) {
      for (std::int64_t rows = 1; rows <= most_rows; ++rows) check(*stream, 0, rows);
      for (std::int64_t first = 1; first < most_rows; ++first)
        check(*stream, first, std::min(1 + first % 9, most_rows - first));
    }
  }
}

MatrixView<const float> rows_of(const Matrix& matrix, std::int64_t first, std::int64_t rows) {
  return matrix.view().row_range(first, rows);
}

class LinearRows : public ::testing::TestWithParam<WeightType> {};

TEST_P(LinearRows, HaveTheSameBitsInAnyCompany) {
  const WeightType type = GetParam();
  const std::int64_t out = 152, in = whole_blocks(type, 96);  // nine tiles and a half
  const PackedMatrix w = packed(type, random_weights(type, out, in, 1), out, in);
  const Matrix x = random_matrix(most_rows, in, 2);
  Activations activations;
  expect_row_invariant([&](device::Stream& stream, std::int64_t first, std::int64_t rows) {
    activations.assign(stream, rows_of(x, first, rows), is_quantized(type) ? NeedsBlocks::yes : NeedsBlocks::no);
    Matrix y(rows, out);
    linear(stream, w, activations, y.view());
    return y;
  });
}

INSTANTIATE_TEST_SUITE_P(Types, LinearRows, ::testing::ValuesIn(types_with_kernel()), type_name);

TEST_P(LinearRows, HaveTheSameBestTokenInAnyCompany) {
  const WeightType type = GetParam();
  const std::int64_t out = 152, in = whole_blocks(type, 64);
  const PackedMatrix w = packed(type, random_weights(type, out, in, 1), out, in);
  const Matrix x = random_matrix(most_rows, in, 2);
  Activations activations;
  expect_row_invariant([&](device::Stream& stream, std::int64_t first, std::int64_t rows) {
    activations.assign(stream, rows_of(x, first, rows), is_quantized(type) ? NeedsBlocks::yes : NeedsBlocks::no);
    std::vector<Best> best(static_cast<std::size_t>(rows));
    linear_argmax(stream, w, activations, 0, best);
    Matrix found(rows, 2);
    for (std::int64_t r = 0; r < rows; ++r) {
      found.at(r, 0) = best[static_cast<std::size_t>(r)].value;
      found.at(r, 1) = static_cast<float>(best[static_cast<std::size_t>(r)].token);
    }
    return found;
  });
}

class AttentionRows : public ::testing::TestWithParam<KvType> {};

TEST_P(AttentionRows, HaveTheSameBitsInAnyCompany) {
  constexpr int heads = 6, kv_heads = 2, head_dim = 24;
  constexpr Position before = 1000;  // the rows lie across the end of the sixteenth split: so many are combined at once
  KvMemory memory(GetParam(), kv_heads, head_dim, before + most_rows);
  const KvView cache = memory.view();
  const Matrix k = random_matrix(before + most_rows, kv_heads * head_dim, 1);
  const Matrix v = random_matrix(before + most_rows, kv_heads * head_dim, 2);
  const Matrix q = random_matrix(most_rows, heads * head_dim, 3);
  expect_row_invariant([&](device::Stream& stream, std::int64_t first, std::int64_t rows) {
    const auto begin = static_cast<Position>(before + first);
    // What lies behind the rows of this pass was never stored, or was rolled back.
    memory.forget();
    store_kv(stream, one_sequence(cache, 0, begin + rows), rows_of(k, 0, begin + rows), rows_of(v, 0, begin + rows));
    Matrix out(rows, heads * head_dim);
    attention(stream, one_sequence(cache, begin, rows), rows_of(q, first, rows), out.view());
    return out;
  });
}

TEST_P(AttentionRows, HaveTheSameBitsBesideOtherSequences) {
  constexpr int heads = 6, kv_heads = 2, head_dim = 24;
  constexpr int sequences = 40;  // more than are done together
  constexpr Position capacity = 256;
  KvMemory memory(GetParam(), kv_heads, head_dim, capacity, sequences);
  std::vector<SequenceRows> all;
  std::int64_t rows = 0;
  for (int s = 0; s < sequences; ++s) {
    const Position begin = s * 37 % 200;  // contexts of all lengths
    const std::int64_t count = 1 + s % 3;
    all.push_back({memory.view(s), begin, rows, count});
    rows += count;
  }
  const Matrix k = random_matrix(capacity, kv_heads * head_dim, 1), v = random_matrix(capacity, kv_heads * head_dim, 2);
  const Matrix new_k = random_matrix(rows, kv_heads * head_dim, 3), new_v = random_matrix(rows, kv_heads * head_dim, 4);
  const Matrix q = random_matrix(rows, heads * head_dim, 5);
  for (const int threads : {1, 2}) {
    device::Stream stream(device::Device::host(), threads);
    memory.forget();  // what is not stored shows
    for (const SequenceRows& s : all) {
      const auto past = one_sequence(s.cache, 0, s.begin);
      store_kv(stream, past, rows_of(k, 0, s.begin), rows_of(v, 0, s.begin));
    }
    Matrix together(rows, q.cols);
    store_kv(stream, all, new_k.view(), new_v.view());
    attention(stream, all, q.view(), together.view());
    for (const SequenceRows& s : all) {
      Matrix alone(s.rows, q.cols);
      const auto one = one_sequence(s.cache, s.begin, s.rows);
      store_kv(stream, one, rows_of(new_k, s.first_row, s.rows), rows_of(new_v, s.first_row, s.rows));
      attention(stream, one, rows_of(q, s.first_row, s.rows), alone.view());
      const float* first = together.values.data() + s.first_row * q.cols;
      EXPECT_TRUE(std::equal(alone.values.begin(), alone.values.end(), first)) << "rows from " << s.first_row;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, AttentionRows, ::testing::Values(KvType::f32, KvType::f16, KvType::int8),
                         [](const auto& which) {
                           return which.param == KvType::f32 ? "f32" : which.param == KvType::f16 ? "f16" : "int8";
                         });

TEST(RopeRows, HaveTheSameBitsInAnyCompany) {
  constexpr int head_dim = 72, heads = 2;  // whole vectors and a rest
  const RopeTable table(most_rows, head_dim, 10000.0f);
  const Matrix x = random_matrix(most_rows, heads * head_dim, 3);
  for (const RopeStyle style : {RopeStyle::interleaved, RopeStyle::half}) {
    expect_row_invariant([&](device::Stream& stream, std::int64_t first, std::int64_t rows) {
      Matrix y(rows, x.cols);
      std::copy_n(x.view().row(first), rows * x.cols, y.values.begin());
      rope(stream, table, style, positions_from(static_cast<Position>(first), rows), y.view());
      return y;
    });
  }
}

TEST(NormRows, HaveTheSameBitsInAnyCompany) {
  const Matrix x = random_matrix(most_rows, 72, 1), weight = random_matrix(1, 72, 2);
  expect_row_invariant([&](device::Stream& stream, std::int64_t first, std::int64_t rows) {
    Matrix y(rows, 72);
    rms_norm(stream, rows_of(x, first, rows), weight.values, 1e-5f, y.view());
    return y;
  });
}

TEST(SwigluRows, HaveTheSameBitsInAnyCompany) {
  const Matrix gate = random_matrix(most_rows, 72, 1, 20.0f), up = random_matrix(most_rows, 72, 2);
  expect_row_invariant([&](device::Stream& stream, std::int64_t first, std::int64_t rows) {
    Matrix out(rows, 72);
    swiglu(stream, rows_of(gate, first, rows), rows_of(up, first, rows), out.view());
    return out;
  });
}

}  // namespace
}  // namespace pipespec::ops
