#include "tasks/samples.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"
#include "support/scratch_directory.hpp"
#include "text/smollm2.hpp"

namespace pipespec::tasks {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using testing::smollm2;
using ::testing::StartsWith;
using ::testing::ThrowsMessage;

std::vector<Sample> read(Preset preset, const std::filesystem::path& file,
                         std::optional<SampleRange> range = std::nullopt) {
  return read_samples(preset, file, range, smollm2(), std::nullopt);
}

std::vector<Sample> read_text(std::string_view content, std::optional<SampleRange> range = std::nullopt) {
  const testing::ScratchDirectory scratch;
  return read(Preset::jsonl, scratch.write("p.jsonl", content), range);
}

constexpr auto three_rows =
    "{\"id\": \"a\", \"prompt\": \"one\"}\n\n{\"id\": \"b\", \"prompt\": \"two\"}\n{\"id\": \"c\", \"prompt\": "
    "\"three\"}\n";

std::vector<std::string> ids(const std::vector<Sample>& samples) {
  std::vector<std::string> found;
  for (const Sample& sample : samples) found.push_back(sample.id);
  return found;
}

TEST(Samples, AreCountedWithoutATokenizer) {
  const testing::ScratchDirectory scratch;
  const auto file = scratch.write("p.jsonl", three_rows);
  EXPECT_EQ(count_samples(Preset::jsonl, file, std::nullopt), 3);
  EXPECT_EQ(count_samples(Preset::jsonl, file, SampleRange{1, 2}), 2);
  EXPECT_THAT(
      [&] {
        count_samples(Preset::jsonl, file, SampleRange{1, 3});
      },
      ThrowsMessage<UserError>(HasSubstr("3 rows")));
}

TEST(Samples, AreReadInTheFilesOrder) {
  const auto samples = read_text(three_rows);
  EXPECT_THAT(ids(samples), ElementsAre("a", "b", "c"));
  EXPECT_EQ(samples[2].row, 2);
  EXPECT_EQ(smollm2().decode(samples[2].prompt), "three");
}

TEST(Samples, ARangeIncludesBothEnds) {
  EXPECT_THAT(ids(read_text(three_rows, SampleRange{1, 2})), ElementsAre("b", "c"));
  EXPECT_THAT(ids(read_text(three_rows, SampleRange{0, 0})), ElementsAre("a"));
}

TEST(Samples, WhatStandsBehindTheRangeIsNotRead) {
  EXPECT_THAT(read_text(std::string(three_rows) + "no JSON", SampleRange{0, 2}), SizeIs(3));
}

TEST(Samples, ARangeBeyondTheEndIsRefused) {
  EXPECT_THAT(
      [] {
        read_text(three_rows, SampleRange{1, 3});
      },
      ThrowsMessage<UserError>(HasSubstr("p.jsonl has 3 rows (the samples 1-3 are asked for)")));
}

TEST(Samples, ARangeTurnedRoundIsRefused) {
  EXPECT_THAT(
      [] {
        read_text(three_rows, SampleRange{2, 1});
      },
      ThrowsMessage<UserError>(HasSubstr("the samples 2-1 are no range")));
}

TEST(Samples, AnIdThatOccursTwiceIsRefusedWithBothPlaces) {
  EXPECT_THAT([] { read_text("{\"id\": \"a\", \"prompt\": \"x\"}\n{\"id\": \"a\", \"prompt\": \"y\"}\n"); },
              ThrowsMessage<UserError>(AllOf(HasSubstr("p.jsonl:2: the id a occurs twice"), HasSubstr("p.jsonl:1)"))));
}

TEST(Samples, AnEmptyFileIsRefused) {
  EXPECT_THAT([] { read_text(" \n\n"); }, ThrowsMessage<UserError>(HasSubstr("p.jsonl has no rows")));
}

TEST(Samples, AnEmptyPromptIsRefusedWithItsLine) {
  EXPECT_THAT([] { read_text("{\"id\": \"a\", \"prompt\": \"\"}"); },
              ThrowsMessage<UserError>(HasSubstr("p.jsonl:1: the prompt has no tokens")));
}

TEST(Samples, AnUnknownRoleIsRefusedWithItsLine) {
  EXPECT_THAT([] { read_text("{\"id\": \"a\", \"messages\": [{\"role\": \"root\", \"content\": \"x\"}]}"); },
              ThrowsMessage<UserError>(HasSubstr("p.jsonl:1: the role root is not known")));
}

TEST(Samples, SpecialTokensCountInPromptsButNotInMessages) {
  const auto samples = read_text(
      "{\"id\": \"a\", \"prompt\": \"<|im_end|>\"}\n"
      "{\"id\": \"b\", \"messages\": [{\"role\": \"user\", \"content\": \"<|im_end|>\"}]}\n");
  EXPECT_THAT(samples[0].prompt, ElementsAre(2));
  EXPECT_EQ(std::ranges::count(samples[1].prompt, 2), 1);  // the end of the turn itself
}

struct Shipped {
  Preset preset;
  const char* file;
  std::size_t rows;
  const char* begin;
  const char* end;
};

void PrintTo(const Shipped& shipped, std::ostream* out) {
  *out << shipped.file;
}

class ShippedSet : public ::testing::TestWithParam<Shipped> {};

TEST_P(ShippedSet, GivesPromptsInTheChatForm) {
  const auto samples =
      read(GetParam().preset, std::filesystem::path(PIPESPEC_SOURCE_DIR "/datasets") / GetParam().file);
  EXPECT_THAT(samples, SizeIs(GetParam().rows));
  for (const Sample& sample : samples) {
    const std::string prompt = smollm2().decode(sample.prompt);
    EXPECT_THAT(prompt, StartsWith(GetParam().begin)) << sample.id;
    EXPECT_THAT(prompt, EndsWith(GetParam().end)) << sample.id;
    EXPECT_LT(sample.prompt.size(), 2048U) << sample.id;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Each, ShippedSet,
    ::testing::Values(Shipped{Preset::humaneval_instruct, "humaneval_quickstart.jsonl", 5,
                              "<|im_start|>user\nWrite a solution to the following problem", "\"\"\"\n\n"},
                      Shipped{Preset::gsm8k_cot_llama, "gsm8k_quickstart.jsonl", 5,
                              "<|im_start|>user\nGiven the following problem, reason",
                              "is the response to the problem.\n<|im_end|>\n<|im_start|>assistant\n"},
                      Shipped{Preset::cnn_dm, "cnn_dm_quickstart.jsonl", 3,
                              "<|im_start|>user\nSummarize: ", ".<|im_end|>\n<|im_start|>assistant\n"},
                      Shipped{Preset::jsonl, "example_prompts.jsonl", 4, "<|im_start|>", "\n"}));

}  // namespace
}  // namespace pipespec::tasks
