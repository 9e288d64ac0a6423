#include "ops/instruction_set.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"

namespace pipespec::ops {
namespace {

using ::testing::StartsWith;

TEST(InstructionSet, IsTheBestAvailable) {
  EXPECT_THAT(instruction_set(), StartsWith(available_instruction_sets().front()));
}

TEST(InstructionSet, AGuardLowersItWhileItLives) {
  const std::string best = instruction_set(), lowest = available_instruction_sets().back();
  {
    const InstructionSetGuard guard(lowest);
    EXPECT_THAT(instruction_set(), StartsWith(lowest));
  }
  EXPECT_EQ(instruction_set(), best);
}

TEST(InstructionSet, OneThatIsNotThereBreaksTheContract) {
  EXPECT_THROW(InstructionSetGuard("Z80"), ContractError);
}

}  // namespace
}  // namespace pipespec::ops
