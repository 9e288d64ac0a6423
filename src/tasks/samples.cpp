#include "tasks/samples.hpp"

#include <unordered_map>

#include "core/error.hpp"
#include "io/json_lines.hpp"
#include "io/printable.hpp"

namespace pipespec::tasks {
namespace {

std::vector<Token> tokens_of(const Prompt& prompt, const text::Tokenizer& tokenizer,
                             std::optional<text::ChatFormat> chat) {
  if (const auto* text = std::get_if<std::string>(&prompt)) return tokenizer.encode(*text);
  const auto format = chat ? *chat : text::chat_format_of(tokenizer);
  return text::encode_chat(format, std::get<std::vector<text::Message>>(prompt), tokenizer);
}

Sample make_sample(Row row, std::int64_t number, const std::string& where, const text::Tokenizer& tokenizer,
                   std::optional<text::ChatFormat> chat) {
  try {
    Sample sample{number, std::move(row.id), tokens_of(row.prompt, tokenizer, chat)};
    validate(!sample.prompt.empty(), "the prompt has no tokens (it is empty): write one");
    return sample;
  } catch (const UserError& error) {
    throw UserError(where + ": " + error.what());
  }
}

/// Reads the file up to the end of the range, and gives every row of the range to `take`, with its number and place.
template <class Take>
void for_each_row(Preset preset, const std::filesystem::path& file, std::optional<SampleRange> range, Take&& take) {
  if (range)
    validate(range->first >= 0 && range->first <= range->last,
             "{}: the samples {}-{} are no range (the first must not be after the last): turn them round",
             file.string(), range->first, range->last);
  std::unordered_map<std::string, std::string> places;  // id → file:line
  io::JsonLines lines(file);
  std::int64_t number = 0;
  for (; !range || number <= range->last; ++number) {
    const auto line = lines.next();
    if (!line) break;
    Row row = read_row(preset, *line, number);
    const auto [first, unique] = places.emplace(row.id, line->where);
    validate(unique, "{}: the id {} occurs twice (first at {}): give every row its own", line->where,
             io::printable(row.id), first->second);
    if (!range || number >= range->first) take(std::move(row), number, line->where);
  }
  validate(number > 0, "{} has no rows (it is empty): name a file with prompts", file.string());
  if (range)
    validate(number > range->last, "{} has {} rows (the samples {}-{} are asked for): the last one is {}",
             file.string(), number, range->first, range->last, number - 1);
}

}  // namespace

std::int64_t count_samples(Preset preset, const std::filesystem::path& file, std::optional<SampleRange> range) {
  std::int64_t count = 0;
  for_each_row(preset, file, range, [&](const Row&, std::int64_t, const std::string&) { ++count; });
  return count;
}

std::vector<Sample> read_samples(Preset preset, const std::filesystem::path& file, std::optional<SampleRange> range,
                                 const text::Tokenizer& tokenizer, std::optional<text::ChatFormat> chat) {
  std::vector<Sample> samples;
  for_each_row(preset, file, range, [&](Row row, std::int64_t number, const std::string& where) {
    samples.push_back(make_sample(std::move(row), number, where, tokenizer, chat));
  });
  return samples;
}

}  // namespace pipespec::tasks
