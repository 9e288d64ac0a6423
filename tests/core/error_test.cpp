#include "core/error.hpp"

#include <gmock/gmock.h>

namespace pipespec {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(Error, ValidateFormatsTheUsersMessage) {
  EXPECT_THAT([] { validate(1 > 2, "window {} is too small (at least {})", 1, 2); },
              ThrowsMessage<UserError>("window 1 is too small (at least 2)"));
  EXPECT_NO_THROW(validate(true, "never {}", "seen"));
}

TEST(Error, ABrokenContractNamesItsPlace) {
  EXPECT_THAT([] { expect(false, "rows > 0"); }, ThrowsMessage<ContractError>(HasSubstr("error_test.cpp:")));
}

}  // namespace
}  // namespace pipespec
