#include "text/synthetic_tokenizer.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"
#include "core/synthetic_text.hpp"
#include "text/chat_template.hpp"

namespace pipespec::text {
namespace {

using ::testing::ElementsAre;

TEST(SyntheticTokenizer, TextOfTokensBecomesTheTokensAgain) {
  const SyntheticTokenizer tokenizer(1000);
  const std::vector<Token> tokens = {2, 999, 17, 17};
  EXPECT_EQ(tokenizer.decode(tokens), " 2 999 17 17");
  EXPECT_EQ(tokenizer.encode(tokenizer.decode(tokens)), tokens);
}

TEST(SyntheticTokenizer, EveryWordIsATokenOfTheVocabularyAndAlwaysTheSame) {
  const SyntheticTokenizer tokenizer(8);
  const std::vector<Token> tokens = tokenizer.encode("  the cat\nand\tthe 1000 0 1 -3 2x dogs");
  ASSERT_EQ(tokens.size(), 10U);
  EXPECT_EQ(tokens[0], tokens[3]);
  for (const Token token : tokens) EXPECT_THAT(token, ::testing::AllOf(::testing::Ge(2), ::testing::Lt(8)));
  EXPECT_TRUE(tokenizer.encode(" \n").empty());
}

TEST(SyntheticTokenizer, DifferentWordsDiffer) {
  const SyntheticTokenizer tokenizer(1 << 20);
  EXPECT_NE(tokenizer.encode("cat"), tokenizer.encode("act"));
}

TEST(SyntheticTokenizer, TheEndTokenIsTheTextsOwn) {
  const SyntheticTokenizer tokenizer(1000);
  EXPECT_THAT(tokenizer.end_tokens(), ElementsAre(SyntheticText::end_token));
  EXPECT_THAT(tokenizer.encode("5<|im_end|> 6"), ElementsAre(5, 0, 6));
  EXPECT_THAT(tokenizer.encode_plain("5<|im_end|> 6"), ElementsAre(::testing::Ge(2), 6));
}

TEST(SyntheticTokenizer, ConversationsAreChatml) {
  const SyntheticTokenizer tokenizer(1000);
  EXPECT_EQ(chat_format_of(tokenizer), ChatFormat::chatml);
  const Message message{"user", "5 6"};
  EXPECT_THAT(encode_chat(ChatFormat::chatml, {&message, 1}, tokenizer),
              ElementsAre(1, ::testing::_, 5, 6, 0, 1, ::testing::_));
}

TEST(SyntheticTokenizer, ATokenOutsideTheVocabularyIsRefused) {
  const SyntheticTokenizer tokenizer(1000);
  EXPECT_THROW(tokenizer.decode(std::vector<Token>{1000}), UserError);
  EXPECT_THROW(tokenizer.decode(std::vector<Token>{-1}), UserError);
}

}  // namespace
}  // namespace pipespec::text
