#include "tasks/preset.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"

namespace pipespec::tasks {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

Row row(Preset preset, const char* json, std::int64_t number = 0) {
  return read_row(preset, {nlohmann::json::parse(json), "data.jsonl:7"}, number);
}

std::vector<text::Message> messages(const Row& row) {
  return std::get<std::vector<text::Message>>(row.prompt);
}

TEST(Preset, IsFoundByItsName) {
  for (const char* known : {"humaneval_instruct", "gsm8k_cot_llama", "cnn_dm", "jsonl"})
    EXPECT_EQ(name(preset_from_name(known)), known);
}

TEST(Preset, AnUnknownNameIsRefusedWithTheKnownOnes) {
  EXPECT_THAT([] { preset_from_name("humaneval"); },
              ThrowsMessage<UserError>(AllOf(HasSubstr("no preset humaneval "), HasSubstr("humaneval_instruct"),
                                             HasSubstr("gsm8k_cot_llama"), HasSubstr("cnn_dm"), HasSubstr("jsonl"))));
}

TEST(HumanevalInstruct, AsksForTheFunctionAndBeginsTheAnswer) {
  const Row made = row(Preset::humaneval_instruct, R"({"task_id": "HumanEval/3", "prompt": "def f():\n", "test": ""})");
  EXPECT_EQ(made.id, "HumanEval/3");
  const auto turns = messages(made);
  ASSERT_EQ(turns.size(), 2U);
  EXPECT_EQ(turns[0].role, "user");
  EXPECT_EQ(turns[0].content,
            "Write a solution to the following problem and make sure that it passes the tests:\n```python\ndef "
            "f():\n\n```\n");
  EXPECT_EQ(turns[1].role, "assistant");
  EXPECT_EQ(turns[1].content, "Here is the completed function:\n```python\ndef f():\n\n");
}

TEST(Gsm8kCotLlama, AsksAfterEightWorkedExamples) {
  const Row made = row(Preset::gsm8k_cot_llama, R"({"question": "How many?", "answer": "3 #### 3"})", 12);
  EXPECT_EQ(made.id, "gsm8k/12");
  const auto turns = messages(made);
  ASSERT_EQ(turns.size(), 17U);
  for (std::size_t i = 0; i < turns.size(); ++i) EXPECT_EQ(turns[i].role, i % 2 == 0 ? "user" : "assistant");
  EXPECT_EQ(turns[15].content,
            "Olivia had 23 dollars. 5 bagels for 3 dollars each will be 5 x 3 = 15 dollars. So she has 23 - 15 dollars "
            "left. 23 - 15 is 8. The final answer is 8");
  EXPECT_EQ(
      turns[16].content,
      "Given the following problem, reason and give a final answer to the problem.\nProblem: How many?\nYour "
      "response should end with \"The final answer is [answer]\" where [answer] is the response to the problem.\n");
}

TEST(CnnDm, AsksForASummary) {
  const Row made = row(Preset::cnn_dm, R"({"id": "a1", "article": "News.", "highlights": "N."})");
  EXPECT_EQ(made.id, "a1");
  ASSERT_EQ(messages(made).size(), 1U);
  EXPECT_EQ(messages(made)[0].role, "user");
  EXPECT_EQ(messages(made)[0].content, "Summarize: News.");
}

TEST(Jsonl, SendsAPromptAsItIs) {
  const Row made = row(Preset::jsonl, R"({"id": 17, "prompt": "<|im_start|>x "})");
  EXPECT_EQ(made.id, "17");
  EXPECT_EQ(std::get<std::string>(made.prompt), "<|im_start|>x ");
}

TEST(Jsonl, SendsAConversation) {
  const Row made = row(Preset::jsonl, R"({"id": "c", "messages": [{"role": "system", "content": "a"},
                                                                  {"role": "user", "content": "b"}]})");
  ASSERT_EQ(messages(made).size(), 2U);
  EXPECT_EQ(messages(made)[0].role, "system");
  EXPECT_EQ(messages(made)[1].content, "b");
}

struct Fault {
  std::string name;
  Preset preset;
  const char* json;
  std::string message;
};

void PrintTo(const Fault& fault, std::ostream* out) {
  *out << fault.name;
}

class RowFault : public ::testing::TestWithParam<Fault> {};

TEST_P(RowFault, IsRefusedWithFileAndLine) {
  EXPECT_THAT([] { row(GetParam().preset, GetParam().json); },
              ThrowsMessage<UserError>(AllOf(HasSubstr("data.jsonl:7"), HasSubstr(GetParam().message))));
}

INSTANTIATE_TEST_SUITE_P(
    Each, RowFault,
    ::testing::Values(
        Fault{"NoObject", Preset::jsonl, "[1]", "is no JSON object (it is of type array)"},
        Fault{"NoTaskId", Preset::humaneval_instruct, R"({"prompt": "x"})", "has no \"task_id\""},
        Fault{"NoPrompt", Preset::humaneval_instruct, R"({"task_id": "x"})", "has no \"prompt\""},
        Fault{"NoQuestion", Preset::gsm8k_cot_llama, R"({"answer": "x"})", "has no \"question\""},
        Fault{"QuestionIsNumber", Preset::gsm8k_cot_llama, R"({"question": 3})",
              "\"question\" is no text (it is of type number)"},
        Fault{"NoArticle", Preset::cnn_dm, R"({"id": "x"})", "has no \"article\""},
        Fault{"NoId", Preset::jsonl, R"({"prompt": "x"})", "has no \"id\""},
        Fault{"IdIsFraction", Preset::jsonl, R"({"id": 1.5, "prompt": "x"})",
              "\"id\" is no text (it is of type number)"},
        Fault{"NeitherPromptNorMessages", Preset::jsonl, R"({"id": "x"})", "(it has neither)"},
        Fault{"PromptAndMessages", Preset::jsonl, R"({"id": "x", "prompt": "", "messages": []})", "(it has both)"},
        Fault{"NoMessages", Preset::jsonl, R"({"id": "x", "messages": []})", "\"messages\" is no list of messages"},
        Fault{"MessagesIsText", Preset::jsonl, R"({"id": "x", "messages": "hi"})",
              "\"messages\" is no list of messages"},
        Fault{"MessageIsText", Preset::jsonl, R"({"id": "x", "messages": ["hi"]})", "a message is no object"},
        Fault{"NoRole", Preset::jsonl, R"({"id": "x", "messages": [{"content": "hi"}]})", "has no \"role\""},
        Fault{"NoContent", Preset::jsonl, R"({"id": "x", "messages": [{"role": "user"}]})", "has no \"content\""},
        Fault{"ContentIsNull", Preset::jsonl, R"({"id": "x", "messages": [{"role": "user", "content": null}]})",
              "\"content\" is no text (it is of type null)"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace pipespec::tasks
