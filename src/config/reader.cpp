#include "config/reader.hpp"

#include <fmt/ranges.h>

#include <cmath>
#include <numeric>

#include "config/number.hpp"

namespace pipespec::config {
namespace {

/// Levenshtein distance.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);  // [length of b + 1] distances of a's prefix to every prefix of b
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::string_view describe(const Value& value) {
  switch (value.kind) {
    case Value::Kind::null:
      return "nothing";
    case Value::Kind::sequence:
      return "a list";
    case Value::Kind::map:
      return "a map";
    case Value::Kind::scalar:
      break;
  }
  return "a single value";
}

bool is_word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

/// "1h30m" in seconds; none if it is not a sequence of numbers with units.
std::optional<double> parse_duration(std::string_view text) {
  constexpr std::pair<char, double> units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
  if (text.empty()) return std::nullopt;
  double seconds = 0;
  while (!text.empty()) {
    const auto digits = text.find_first_not_of("0123456789.");
    if (digits == 0 || digits == std::string_view::npos) return std::nullopt;
    const auto amount = parse_number<double>(text.substr(0, digits));
    const auto unit = std::ranges::find(units, text[digits], &std::pair<char, double>::first);
    if (!amount || unit == std::end(units)) return std::nullopt;
    seconds += *amount * unit->second;
    text.remove_prefix(digits + 1);
  }
  return seconds;
}

}  // namespace

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  word = word.substr(0, 64);  // longer words are like none of ours
  std::string_view best;
  std::size_t least = word.size() / 3 + 2;  // a third of the letters may differ, and at least one
  for (const std::string_view candidate : candidates) {
    const std::size_t d = distance(word, candidate);
    if (d < least) {
      least = d;
      best = candidate;
    }
  }
  return best.empty() ? ": use one of these" : fmt::format(": did you mean {}?", best);
}

std::string Reader::where() const {
  if (path_.empty() || value_->place == "--set " + path_) return value_->place;
  return fmt::format("{}: {}", value_->place, path_);
}

std::string Reader::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

void Reader::require_keys(std::initializer_list<std::string_view> keys) const {
  if (!is_map()) fail("{} (a map is expected): write {{key: value}}", describe(*value_));
  for (const Value::Entry& entry : value_->entries) {
    if (std::ranges::find(keys, entry.key) != keys.end()) continue;
    Reader(entry.value, path_of(printable(entry.key)))
        .fail("unknown key (there are {}){}", fmt::join(keys, ", "),
              did_you_mean(entry.key, {keys.begin(), keys.size()}));
  }
}

std::optional<Reader> Reader::find(std::string_view key) const {
  const Value* found = value_->find(key);
  if (!found) return std::nullopt;
  return Reader(*found, path_of(key));
}

Reader Reader::at(std::string_view key, std::string_view why) const {
  const auto found = find(key);
  if (!found) fail("key '{}' is missing ({}): add {}: ...", key, why, key);
  return *found;
}

std::vector<Reader> Reader::items() const {
  if (value_->kind != Value::Kind::sequence) fail("{} (a list is expected): write [a, b]", describe(*value_));
  if (value_->items.empty()) fail("the list is empty (at least one entry is expected): add one");
  std::vector<Reader> readers;
  for (std::size_t i = 0; i < value_->items.size(); ++i)
    readers.emplace_back(value_->items[i], path_of(fmt::to_string(i)));
  return readers;
}

std::vector<std::pair<std::string, Reader>> Reader::entries() const {
  if (!is_map()) fail("{} (a map is expected): write {{key: value}}", describe(*value_));
  if (value_->entries.empty()) fail("the map is empty (at least one entry is expected): add one");
  std::vector<std::pair<std::string, Reader>> readers;
  for (const Value::Entry& entry : value_->entries)
    readers.emplace_back(entry.key, Reader(entry.value, path_of(printable(entry.key))));
  return readers;
}

const std::string& Reader::scalar(std::string_view expected) const {
  if (value_->kind != Value::Kind::scalar) fail("{} ({} is expected): write one value", describe(*value_), expected);
  return value_->scalar;
}

std::string Reader::text() const {
  const std::string& given = scalar("text");
  if (given.empty()) fail("empty text (something is expected here): fill it in");
  if (given.find('\0') != std::string::npos) fail("a NUL character (text is expected): remove it");
  return given;
}

std::string Reader::word() const {
  const std::string given = text();
  if (!std::ranges::all_of(given, is_word_character))
    fail("'{}' is not a name (letters, digits, '_', '-' and '.' make one): rename it", printable(given));
  return given;
}

std::int64_t Reader::integer(std::int64_t least, std::int64_t most) const {
  const std::string& given = scalar("a whole number");
  const auto number = value_->quoted ? std::nullopt : parse_number<std::int64_t>(given);
  if (!number)
    fail("'{}' is not a whole number (one from {} to {} is expected): correct it", printable(given), least, most);
  if (*number < least || *number > most) fail("{} is out of range ({} to {}): choose another", *number, least, most);
  return *number;
}

std::uint64_t Reader::unsigned_integer() const {
  const std::string& given = scalar("a whole number");
  const auto number = value_->quoted ? std::nullopt : parse_number<std::uint64_t>(given);
  if (!number) fail("'{}' is not a whole number (one from 0 to 2^64-1 is expected): correct it", printable(given));
  return *number;
}

double Reader::number() const {
  const std::string& given = scalar("a number");
  const auto number = value_->quoted ? std::nullopt : parse_number<double>(given);
  if (!number || !std::isfinite(*number))
    fail("'{}' is not a number (something like 0.7 is expected): correct it", printable(given));
  return *number;
}

double Reader::duration() const {
  const std::string& given = scalar("a duration");
  const auto seconds = parse_duration(given);
  constexpr double year = 366 * 86400.0;
  if (!seconds || *seconds > year)
    fail("'{}' is not a duration (a number and d, h, m or s, at most a year): write, say, 90s or 1h30m",
         printable(given));
  return std::round(*seconds * 1000) / 1000;
}

void Reader::fail_choice(std::string_view given, std::span<const std::string_view> words) const {
  fail("unknown value '{}' (there are {}){}", printable(given), fmt::join(words, ", "), did_you_mean(given, words));
}

}  // namespace pipespec::config
