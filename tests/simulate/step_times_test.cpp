#include "simulate/step_times.hpp"

#include <gmock/gmock.h>

#include <fstream>

#include "core/error.hpp"

namespace pipespec::simulate {
namespace {

std::map<std::string, StageMeasurement> read(const std::string& text) {
  const std::string file = ::testing::TempDir() + "/step_times_test.yaml";
  std::ofstream(file) << text;
  return read_step_times(file);
}

/// What follows the file's name in the message of the UserError that `text` ends in.
std::string message_of(const std::string& text) {
  try {
    read(text);
  } catch (const UserError& error) {
    const std::string message = error.what();
    return message.substr(message.find(".yaml:") + 6);
  }
  return "no error";
}

TEST(StepTimes, AreALineBetweenTwoRowsOfTheTable) {
  const StepTimes times({{1, 10}, {5, 14}, {9, 30}});
  EXPECT_EQ(times.seconds(1), 10);
  EXPECT_EQ(times.seconds(3), 12);
  EXPECT_EQ(times.seconds(5), 14);
  EXPECT_EQ(times.seconds(7), 22);
}

TEST(StepTimes, GoOnAsTheTableEnds) {
  EXPECT_EQ(StepTimes({{1, 10}, {5, 14}, {9, 30}}).seconds(11), 38);
  EXPECT_EQ(StepTimes({{4, 10}, {5, 14}}).seconds(1), 10);
  EXPECT_EQ(StepTimes({{1, 10.0}}).seconds(100), 10);
}

TEST(StepTimes, AreReadFromAFile) {
  const auto stages = read("draft: {ms: 11.5, agreement: 0.94}\ntarget: {ms: {1: 24, 8: 26.8}}\n");
  ASSERT_EQ(stages.size(), 2U);
  EXPECT_DOUBLE_EQ(stages.at("draft").times.seconds(7), 0.0115);
  EXPECT_EQ(stages.at("draft").agreement, 0.94);
  EXPECT_DOUBLE_EQ(stages.at("target").times.seconds(1), 0.024);
  EXPECT_DOUBLE_EQ(stages.at("target").times.seconds(8), 0.0268);
  EXPECT_FALSE(stages.at("target").agreement);
}

TEST(StepTimes, AWrongFileIsAnsweredInOneLine) {
  EXPECT_EQ(message_of("a: {}\n"), "1: a: key 'ms' is missing (it says how long the stage's steps take): add ms: ...");
  EXPECT_EQ(message_of("a: 5\n"), "1: a: a single value (a map is expected): write {key: value}");
  EXPECT_EQ(message_of("a: {ms: 1}\nb: {ms: {0: 1}}\n"),
            "2: b.ms.0: '0' is not a number of rows (1 or more is expected): write rows: milliseconds");
  EXPECT_EQ(message_of("a: {ms: {1: -1}}\n"), "1: a.ms.1: -1 is out of range (a step takes time): choose another");
  EXPECT_EQ(message_of("a: {ms: {}}\n"), "1: a.ms: the map is empty (at least one entry is expected): add one");
  EXPECT_EQ(message_of("a: {ms: 1, agreement: 94}\n"),
            "1: a.agreement: 94 is out of range (from 0 to 1): choose another");
  EXPECT_EQ(message_of("a: {ms: 1, agreemnt: 1}\n"),
            "1: a.agreemnt: unknown key (there are ms, agreement): did you mean agreement?");
  EXPECT_THROW(read_step_times("/nowhere.yaml"), UserError);
}

}  // namespace
}  // namespace pipespec::simulate
