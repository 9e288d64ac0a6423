#include "text/normalize.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"

namespace pipespec::text {
namespace {

TEST(Rewrite, StepsFollowOneAnother) {
  const std::vector<Rewriting> steps = {{Rewriting::Kind::replace, "ab", "c"}, {Rewriting::Kind::replace, "cc", "d"}};
  EXPECT_EQ(rewrite("ababx", steps, true), "dx");
}

TEST(Rewrite, AnEmptyTextStaysEmpty) {
  EXPECT_EQ(rewrite("", {{Rewriting::Kind::prepend, "", "x"}}, true), "");
}

TEST(Rewrite, ABeginningIsAddedOnceAndWhereAskedOnlyToTheFirstStretch) {
  const std::vector<Rewriting> every = {{Rewriting::Kind::begin, "", "_"}};
  EXPECT_EQ(rewrite("a", every, false), "_a");
  EXPECT_EQ(rewrite("_a", every, false), "_a");
  const std::vector<Rewriting> first = {{Rewriting::Kind::begin, "", "_", true}};
  EXPECT_EQ(rewrite("a", first, true), "_a");
  EXPECT_EQ(rewrite("a", first, false), "a");
}

TEST(Rewrite, ATextThatDoublesOverAndOverIsRefused) {
  const std::vector<Rewriting> doubling(40, {Rewriting::Kind::replace, "a", "aa"});
  EXPECT_THAT([&] { rewrite("aaaa", doubling, true); },
              ::testing::ThrowsMessage<UserError>(::testing::HasSubstr("64 times as long")));
}

TEST(Rewrite, NormalFormsAreUnicodes) {
  const std::string text = "e\u0301\ufb01";  // é in two characters, and a ligature
  EXPECT_EQ(rewrite(text, {{Rewriting::Kind::nfc}}, true), "\u00e9\ufb01");
  EXPECT_EQ(rewrite(text, {{Rewriting::Kind::nfd}}, true), "e\u0301\ufb01");
  EXPECT_EQ(rewrite(text, {{Rewriting::Kind::nfkc}}, true), "\u00e9fi");
  EXPECT_EQ(rewrite("\u00e9\ufb01", {{Rewriting::Kind::nfkd}}, true), "e\u0301fi");
}

}  // namespace
}  // namespace pipespec::text
