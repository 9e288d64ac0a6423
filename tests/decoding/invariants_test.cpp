/// The checker of invariants sees what is wrong and says where. That it sees every fault of the state machine is shown
/// by mutation_test.py.
#include "decoding/invariants.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"

namespace pipespec::decoding {
namespace {

using ::testing::HasSubstr;

/// Stage 1 of 2, the target, with one sequence begun, watched.
struct Watched {
  Stage stage = Stage({.index = {1}, .stages = 2, .end_tokens = {0}});
  InvariantChecker checker{"rank 2, stage 1"};
  SequenceId sequence = stage.start({1, 2, 3}, 10);

  Watched() { checker.check(stage); }

  Pass begin() {
    const std::vector<Work> work = stage.next_work();
    checker.check_begun(stage, work);
    return std::get<Pass>(work.at(0));
  }

  void step(std::vector<Token> outputs) {
    const Pass pass = begin();
    checker.check_completed(stage, pass, stage.complete(pass, outputs));
  }
};

/// What the checker says of `wrong`.
template <class Call>
std::string complaint(Call&& wrong) {
  try {
    wrong();
  } catch (const ContractError& error) {
    return error.what();
  }
  return "nothing";
}

TEST(TheChecker, IsSilentWhereAllIsWell) {
  Watched watched;
  watched.step({4});
  watched.stage.receive({0}, Tokens{watched.sequence, 0, 3, 0, {4, 5, 6}});
  watched.checker.check(watched.stage);
  watched.step({5, 7, 1});
  watched.step({0});
  watched.stage.finish(watched.sequence);
  watched.checker.check(watched.stage);
  EXPECT_TRUE(watched.stage.next_work().empty());
  watched.checker.check_idle(watched.stage);
}

TEST(TheChecker, NamesRankStageSequenceAndInvariant) {
  Watched watched;
  std::vector<Work> work = watched.stage.next_work();
  std::get<Pass>(work.at(0)).tokens[1] = 9;
  EXPECT_EQ(complaint([&] { watched.checker.check_begun(watched.stage, work); }),
            "broken invariant: rank 2, stage 1, sequence 1: KV truth: rows are the view's tokens, then drafts");
}

TEST(TheChecker, KnowsTheTokensThatTheCacheHolds) {
  Watched watched;
  watched.step({4});
  Watched other;
  other.step({5});
  other.step({6});                                                        // 5 is in the other's cache
  watched.checker.check_begun(watched.stage, watched.stage.next_work());  // and 4 in this one's
  EXPECT_THAT(complaint([&] { watched.checker.check(other.stage); }), HasSubstr("sequence 1: KV truth"));
}

TEST(TheChecker, TakesTheTargetsViewForFinal) {
  Watched watched;
  const Stage before = watched.stage;
  watched.step({4});
  EXPECT_THAT(complaint([&] { watched.checker.check(before); }), HasSubstr("sequence 1: history"));
}

TEST(TheChecker, WantsAStageToWorkWhenItCan) {
  const Watched watched;
  EXPECT_THAT(complaint([&] { InvariantChecker("").check_idle(watched.stage); }), HasSubstr("progress"));
}

TEST(TheChecker, WantsEveryStepOfTheTargetToAppendAToken) {
  Watched watched;
  const Pass pass = watched.begin();
  StepResult result = watched.stage.complete(pass, std::vector<Token>{4});
  result.appended.clear();
  EXPECT_THAT(complaint([&] { watched.checker.check_completed(watched.stage, pass, result); }),
              HasSubstr("progress: a step of the target appends a token"));
}

TEST(TheChecker, WantsTheEndToBeTold) {
  Watched watched;
  const Pass pass = watched.begin();
  StepResult result = watched.stage.complete(pass, std::vector<Token>{0});
  result.finished.reset();
  EXPECT_THAT(complaint([&] { watched.checker.check_completed(watched.stage, pass, result); }), HasSubstr("the end"));
}

}  // namespace
}  // namespace pipespec::decoding
