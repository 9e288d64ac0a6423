#include "ops/most_likely.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "ops/argmax.hpp"
#include "ops/instruction_set.hpp"
#include "random_data.hpp"

namespace pipespec::ops {
namespace {

constexpr float nothing = -std::numeric_limits<float>::infinity();

struct Found {
  std::vector<Best> best;
  std::vector<float> probabilities;
};

Found found(const std::vector<float>& logits, std::int64_t columns, int threads = 1) {
  device::Stream stream(device::Device::host(), threads);
  const auto rows = static_cast<std::int64_t>(logits.size()) / columns;
  Found result{std::vector<Best>(rows), std::vector<float>(rows)};
  most_likely(stream, {logits.data(), rows, columns}, result.best, result.probabilities);
  return result;
}

/// By the definition, in f64.
double share_of_largest(const float* logits, std::int64_t columns, float largest) {
  double sum = 0;
  for (std::int64_t i = 0; i < columns; ++i) sum += std::exp(double{logits[i]} - largest);
  return 1 / sum;
}

TEST(MostLikely, IsTheLargestAndItsShareOfTheSoftmax) {
  for (const std::string& name : available_instruction_sets()) {
    const InstructionSetGuard guard(name);
    for (const std::int64_t columns : {1, 2, 15, 16, 17, 1000}) {
      constexpr std::int64_t rows = 5;
      const std::vector<float> logits = random_matrix(rows, columns, 7).values;
      const Found result = found(logits, columns, 2);
      std::vector<Best> expected(rows);
      argmax({logits.data(), rows, columns}, 0, expected);
      for (std::int64_t row = 0; row < rows; ++row) {
        EXPECT_EQ(result.best[row].token, expected[row].token) << name << ", " << columns << " columns";
        EXPECT_EQ(result.best[row].value, expected[row].value);
        const double share = share_of_largest(logits.data() + row * columns, columns, expected[row].value);
        EXPECT_NEAR(result.probabilities[row], share, 1e-5 * share) << name << ", " << columns << " columns";
      }
    }
  }
}

TEST(MostLikely, TiesGoToTheLowerToken) {
  std::vector<float> logits(40, -1.0f);
  logits[35] = logits[18] = logits[19] = 2.0f;
  EXPECT_EQ(found(logits, 40).best[0].token, 18);
}

TEST(MostLikely, LeavesOutWhatCannotBe) {
  const Found result = found({nothing, 3.0f, nothing, 3.0f, nothing}, 5);
  EXPECT_EQ(result.best[0].token, 1);
  EXPECT_FLOAT_EQ(result.probabilities[0], 0.5f);
}

TEST(MostLikely, LargeLogitsDoNotOverflow) {
  EXPECT_FLOAT_EQ(found({1e4f, 1e4f, -1e4f}, 3).probabilities[0], 0.5f);
}

}  // namespace
}  // namespace pipespec::ops
