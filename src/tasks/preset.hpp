/// The kinds of data sets, and how a row of each becomes a prompt.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "io/json_lines.hpp"
#include "text/chat_template.hpp"

namespace pipespec::tasks {

/// Each follows what the field compares with. The harness' `until` strings are no part of a prompt: an answer ends with
/// the model's own end token, or at the strings of `generation.stop`.
enum class Preset {
  humaneval_instruct,  ///< openai/human-eval rows, asked as lm-evaluation-harness' task of this name does (version 4)
  gsm8k_cot_llama,     ///< openai/grade-school-math rows, as lm-evaluation-harness' task: 8 worked examples as turns
  cnn_dm,              ///< {"id", "article"} rows, asked as Spec-Bench does: "Summarize: …"
  jsonl,               ///< {"id", "prompt"} or {"id", "messages"}: sent as it is
};

/// The preset called `name`; UserError with the known names where there is none.
Preset preset_from_name(std::string_view name);
std::string_view name(Preset preset);

/// What is sent to the model: a text as it is (special tokens in it recognised), or a conversation.
using Prompt = std::variant<std::string, std::vector<text::Message>>;

/// A row of a data set, before it is tokenized.
struct Row {
  std::string id;
  Prompt prompt;
};

/// Makes a prompt of one row. `number` counts rows from 0 and makes the id where the data set has none ("gsm8k/0").
/// UserErrors name the line and the field that is missing or of a wrong type.
Row read_row(Preset preset, const io::JsonLine& line, std::int64_t number);

}  // namespace pipespec::tasks
