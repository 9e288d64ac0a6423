#include "text/streaming_detokenizer.hpp"

#include <gmock/gmock.h>

#include "text/smollm2.hpp"

namespace pipespec::text {
namespace {

using ::testing::ElementsAre;

/// Every piece, and what flush returns at the end.
std::vector<std::string> pieces(std::span<const Token> tokens) {
  StreamingDetokenizer detokenizer(testing::smollm2());
  std::vector<std::string> found;
  for (const Token token : tokens) found.push_back(detokenizer.push(token));
  found.push_back(detokenizer.flush());
  return found;
}

TEST(StreamingDetokenizer, HandsOutWholeWordsAtOnce) {
  EXPECT_THAT(pieces(testing::smollm2().encode("Hello world<|im_end|>")),
              ElementsAre("Hello", " world", "<|im_end|>", ""));
}

TEST(StreamingDetokenizer, HoldsBackACharacterUntilItIsComplete) {
  const auto tokens = testing::smollm2().encode("語");
  ASSERT_GT(tokens.size(), 1U);
  const auto found = pieces(tokens);
  EXPECT_EQ(found[tokens.size() - 2], "");
  EXPECT_EQ(found[tokens.size() - 1], "語");
}

TEST(StreamingDetokenizer, FlushHandsOutAnUnfinishedCharacter) {
  auto tokens = testing::smollm2().encode("a語");
  tokens.pop_back();
  std::string joined;
  for (const auto& piece : pieces(tokens)) joined += piece;
  EXPECT_EQ(pieces(tokens).back(), joined.substr(1));
  EXPECT_EQ(joined, testing::smollm2().decode(tokens));
}

TEST(StreamingDetokenizer, BytesThatCanBeNoCharacterAreNotHeldBack) {
  const auto tokens = testing::smollm2().encode("語");  // its last token is the bytes of a character's end
  const std::vector<Token> stray = {tokens.back(), testing::smollm2().encode("a")[0]};
  EXPECT_EQ(pieces(stray)[0], testing::smollm2().decode(std::span(stray).first(1)));
  EXPECT_EQ(pieces(stray)[1], "a");
}

TEST(StreamingDetokenizer, ATokenThatOnlyTheModelHasIsNoText) {
  const std::vector<Token> beyond = {testing::smollm2().vocabulary_size()};
  EXPECT_THAT(pieces(beyond), ElementsAre("", ""));
}

}  // namespace
}  // namespace pipespec::text
