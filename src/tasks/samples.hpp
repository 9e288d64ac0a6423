/// Data sets to prompts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/types.hpp"
#include "tasks/preset.hpp"
#include "text/chat_template.hpp"
#include "text/tokenizer.hpp"

namespace pipespec::tasks {

/// Rows of a data set, counted from 0, both ends included.
struct SampleRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
};

/// One prompt to be answered.
struct Sample {
  std::int64_t row = 0;  ///< in the file, from 0
  std::string id;        ///< unique within the task
  std::vector<Token> prompt;
};

/// How many samples the rows `range` (none: all) of `file` make. The whole file is read and checked up to the end of
/// the range. UserErrors name file and line: not JSON, a missing or wrong field, an id that occurs twice, no rows at
/// all, a range beyond the end.
std::int64_t count_samples(Preset preset, const std::filesystem::path& file, std::optional<SampleRange> range);

/// Reads those rows, in the file's order, as prompts of `preset`. UserErrors as count_samples(), and of an empty
/// prompt. Conversations take the form `chat` (none: the tokenizer's own).
std::vector<Sample> read_samples(Preset preset, const std::filesystem::path& file, std::optional<SampleRange> range,
                                 const text::Tokenizer& tokenizer, std::optional<text::ChatFormat> chat);

}  // namespace pipespec::tasks
