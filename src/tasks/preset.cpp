#include "tasks/preset.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.hpp"
#include "io/printable.hpp"
#include "tasks/gsm8k_examples.hpp"

namespace pipespec::tasks {
namespace {

struct NamedPreset {
  std::string_view name;
  Preset preset;
};

constexpr std::array presets = {
    NamedPreset{"humaneval_instruct", Preset::humaneval_instruct},
    NamedPreset{"gsm8k_cot_llama", Preset::gsm8k_cot_llama},
    NamedPreset{"cnn_dm", Preset::cnn_dm},
    NamedPreset{"jsonl", Preset::jsonl},
};

/// The text at `key` of a JSON object that came from `where`.
std::string text_at(const nlohmann::json& object, std::string_view key, std::string_view where) {
  const auto found = object.find(key);
  validate(found != object.end(), "{} has no \"{}\" (every row needs it): add it, or choose another preset", where,
           key);
  validate(found->is_string(), "{}: \"{}\" is no text (it is of type {}): write it in quotes", where, key,
           found->type_name());
  return found->get<std::string>();
}

/// The row's own id: a text, or an integer that stands for its digits.
std::string id_of(const io::JsonLine& line) {
  const auto found = line.value.find("id");
  if (found != line.value.end() && found->is_number_integer()) return found->dump();
  return text_at(line.value, "id", line.where);
}

// lm-evaluation-harness, lm_eval/tasks/humaneval/humaneval_instruct.yaml, version 4: doc_to_text and gen_prefix.
Row humaneval_row(const io::JsonLine& line) {
  const std::string prompt = text_at(line.value, "prompt", line.where);
  return {text_at(line.value, "task_id", line.where),
          std::vector<text::Message>{
              {"user", fmt::format("Write a solution to the following problem and make sure that it passes the "
                                   "tests:\n```python\n{}\n```\n",
                                   prompt)},
              {"assistant", fmt::format("Here is the completed function:\n```python\n{}\n", prompt)}}};
}

// lm-evaluation-harness, lm_eval/tasks/gsm8k/gsm8k-cot-llama.yaml: doc_to_text.
text::Message gsm8k_question(std::string_view question) {
  return {"user", fmt::format("Given the following problem, reason and give a final answer to the problem.\n"
                              "Problem: {}\n"
                              "Your response should end with \"The final answer is [answer]\" where [answer] is the "
                              "response to the problem.\n",
                              question)};
}

Row gsm8k_row(const io::JsonLine& line, std::int64_t number) {
  std::vector<text::Message> messages;
  for (const WorkedExample& example : gsm8k_examples) {
    messages.push_back(gsm8k_question(example.question));
    messages.push_back({"assistant", std::string(example.answer)});
  }
  messages.push_back(gsm8k_question(text_at(line.value, "question", line.where)));
  return {fmt::format("gsm8k/{}", number), std::move(messages)};
}

// Spec-Bench (Xia et al., 2024), the summarisation part of its questions.
Row cnn_dm_row(const io::JsonLine& line) {
  const std::string article = text_at(line.value, "article", line.where);
  return {id_of(line), std::vector<text::Message>{{"user", "Summarize: " + article}}};
}

std::vector<text::Message> messages_of(const nlohmann::json& list, std::string_view where) {
  validate(list.is_array() && !list.empty(),
           "{}: \"messages\" is no list of messages (it is {}of type {}): write [{{...}}]", where,
           list.empty() ? "empty, " : "", list.type_name());
  std::vector<text::Message> messages;
  for (const auto& message : list) {
    validate(message.is_object(),
             "{}: a message is no object (it is of type {}): write {{\"role\": ..., \"content\": ...}}", where,
             message.type_name());
    messages.push_back({text_at(message, "role", where), text_at(message, "content", where)});
  }
  return messages;
}

Row jsonl_row(const io::JsonLine& line) {
  const bool conversation = line.value.contains("messages");
  validate(conversation != line.value.contains("prompt"),
           "{} must have either \"prompt\" or \"messages\" (it has {}): give one of them", line.where,
           conversation ? "both" : "neither");
  if (conversation) return {id_of(line), messages_of(line.value["messages"], line.where)};
  return {id_of(line), text_at(line.value, "prompt", line.where)};
}

}  // namespace

Preset preset_from_name(std::string_view name) {
  const auto found = std::ranges::find(presets, name, &NamedPreset::name);
  if (found != presets.end()) return found->preset;
  std::string known;
  for (const auto& each : presets) known += fmt::format("{}{}", known.empty() ? "" : ", ", each.name);
  reject("there is no preset {} (known: {}): choose one of them", io::printable(name), known);
}

std::string_view name(Preset preset) {
  return std::ranges::find(presets, preset, &NamedPreset::preset)->name;
}

Row read_row(Preset preset, const io::JsonLine& line, std::int64_t number) {
  validate(line.value.is_object(), "{} is no JSON object (it is of type {}): write {{\"id\": ...}}", line.where,
           line.value.type_name());
  switch (preset) {
    case Preset::humaneval_instruct:
      return humaneval_row(line);
    case Preset::gsm8k_cot_llama:
      return gsm8k_row(line, number);
    case Preset::cnn_dm:
      return cnn_dm_row(line);
    case Preset::jsonl:
      return jsonl_row(line);
  }
  return {};
}

}  // namespace pipespec::tasks
