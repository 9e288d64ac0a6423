#include "pipeline/wire.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "core/error.hpp"

namespace pipespec::pipeline {
namespace {

using namespace decoding;

class EveryMessage : public ::testing::TestWithParam<Message> {};

TEST_P(EveryMessage, ComesBackAsItWas) {
  EXPECT_EQ(decode(encode(GetParam())), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Wire, EveryMessage,
                         ::testing::Values(Tokens{{3}, 4, 5, 6, {7, 8}}, Tokens{{3}, 0, 5, 0, {}},
                                           Tokens{{3}, 4, 5, 6, {7, 8}, {Confidence::of_match(3), Confidence()}},
                                           Correction{{3}, 4, 5, 6, {7}}, Progress{{9}, 2, 1, {0, -1}},
                                           Start{{1}, 100, {5, 6, 7}}, Finish{{12}}, Shutdown{}));

TEST(Wire, WordsThatAreNoMessageAreRefused) {
  EXPECT_THROW(decode(std::vector<std::int32_t>{}), Failure);
  EXPECT_THROW(decode(std::vector<std::int32_t>{99, 0, 0, 0, 0, 0}), Failure);
  EXPECT_THROW(decode(std::vector<std::int32_t>{-1, 0, 0, 0, 0, 0}), Failure);
  std::vector<std::int32_t> cut = encode(Start{{1}, 100, {5, 6, 7}});
  cut.pop_back();
  EXPECT_THROW(decode(cut), Failure);
}

TEST(Wire, ConfidencesBelongToTokensAndAreKnown) {
  std::vector<std::int32_t> words = encode(Tokens{{3}, 4, 5, 6, {7, 8}, {Confidence(), Confidence()}});
  words.back() = static_cast<std::int32_t>(Confidence::count);
  EXPECT_THROW(decode(words), Failure);
  words.back() = -1;
  EXPECT_THROW(decode(words), Failure);
  words.pop_back();
  EXPECT_THROW(decode(words), Failure) << "one token has none";
  std::vector<std::int32_t> other = encode(Progress{{9}, 2, 1, {7}});
  other.push_back(0);
  EXPECT_THROW(decode(other), Failure) << "only Tokens carry them";
}

}  // namespace
}  // namespace pipespec::pipeline
