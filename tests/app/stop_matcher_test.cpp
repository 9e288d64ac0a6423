#include "app/stop_matcher.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "text/tokenizer.hpp"

namespace pipespec::app {
namespace {

/// The text of `input` as the matcher sees it grow, and at which token it stopped (-1: never).
struct Outcome {
  std::string text;
  int stopped_at = -1;
};

class StopMatcherTest : public ::testing::Test {
 protected:
  Outcome match(const std::string& input, const std::vector<std::string>& stops) {
    StopMatcher matcher(*tokenizer_, stops);
    const std::vector<Token> tokens = tokenizer_->encode(input);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (matcher.push(tokens[i])) return {matcher.text(), static_cast<int>(i)};
      EXPECT_LE(matcher.settled(), matcher.text().size());
    }
    matcher.finish();
    return {matcher.text(), -1};
  }

  std::unique_ptr<const text::Tokenizer> tokenizer_ =
      text::load_tokenizer(PIPESPEC_SOURCE_DIR "/datasets/smollm2-draft-15m-q4_0.gguf");
};

TEST_F(StopMatcherTest, WithoutStopStringsTheTextIsWhole) {
  const Outcome outcome = match("Hello, Ωμέγα 🙂", {});
  EXPECT_EQ(outcome.text, "Hello, Ωμέγα 🙂");
  EXPECT_EQ(outcome.stopped_at, -1);
}

TEST_F(StopMatcherTest, TheTextEndsBeforeAStopStringInsideAToken) {
  EXPECT_EQ(match("one two three", {"wo"}).text, "one t");
}

TEST_F(StopMatcherTest, AStopStringAcrossTokensIsFound) {
  const Outcome outcome = match("x = 1\n\ndef g():", {"\n\ndef"});
  EXPECT_EQ(outcome.text, "x = 1");
  EXPECT_GE(outcome.stopped_at, 0);
}

TEST_F(StopMatcherTest, TheFirstOfSeveralCounts) {
  EXPECT_EQ(match("a b c d", {" d", " b", " c"}).text, "a");
}

TEST_F(StopMatcherTest, WhatMayBecomeAStopStringIsNotSettled) {
  const std::vector<std::string> stops = {"STOP NOW"};
  StopMatcher matcher(*tokenizer_, stops);
  for (const Token token : tokenizer_->encode("go STOP")) matcher.push(token);
  EXPECT_EQ(matcher.text(), "go STOP");
  EXPECT_EQ(matcher.settled(), 3u);
  for (const Token token : tokenizer_->encode(" it")) matcher.push(token);
  EXPECT_EQ(matcher.settled(), matcher.text().size());
}

}  // namespace
}  // namespace pipespec::app
