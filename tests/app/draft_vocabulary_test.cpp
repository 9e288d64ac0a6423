#include "app/draft_vocabulary.hpp"

#include <gmock/gmock.h>

#include <fstream>

#include "core/error.hpp"
#include "support/scratch_directory.hpp"

namespace pipespec::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class DraftVocabulary : public ::testing::Test {
 protected:
  config::DraftVocabulary list(const std::string& content) const {
    const auto path = directory_.path() / "list.json";
    std::ofstream(path) << content;
    return {.file = path};
  }

 private:
  testing::ScratchDirectory directory_;
};

TEST_F(DraftVocabulary, IsTheFirstTokensAndTheEndTokens) {
  EXPECT_THAT(draft_tokens({.first = 3}, 10, std::vector<Token>{2, 9}), ElementsAre(0, 1, 2, 9));
  EXPECT_THAT(draft_tokens({.first = 3}, 3, {}), ElementsAre(0, 1, 2));
}

TEST_F(DraftVocabulary, IsAListInAnyOrder) {
  EXPECT_THAT(draft_tokens(list("[7, 3, 7, 5]"), 10, std::vector<Token>{5, 9}), ElementsAre(3, 5, 7, 9));
}

TEST_F(DraftVocabulary, MoreTokensThanTheModelHasAreRefused) {
  EXPECT_THAT([] { draft_tokens({.first = 11}, 10, {}); }, ThrowsMessage<UserError>(HasSubstr("has 10 tokens")));
}

TEST_F(DraftVocabulary, AFileThatIsNoListOfTokensIsRefused) {
  for (const char* content : {"", "[]", "{}", "[1, 2", "[1, 10]", "[-1]", "[1.5]", "[\"1\"]", "[99999999999999999999]"})
    EXPECT_THAT([&] { draft_tokens(list(content), 10, {}); },
                ThrowsMessage<UserError>(HasSubstr("not a JSON list of token ids (0 to 9)")))
        << content;
  EXPECT_THAT([] { draft_tokens({.file = "no/such.json"}, 10, {}); },
              ThrowsMessage<UserError>(HasSubstr("no/such.json cannot be read")));
}

}  // namespace
}  // namespace pipespec::app
