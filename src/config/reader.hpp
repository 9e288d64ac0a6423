/// Typed access to a YAML tree, with one-line messages that say where and what.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/yaml_tree.hpp"
#include "core/error.hpp"

namespace pipespec::config {

/// A word of the file and what it stands for.
template <class T>
struct Choice {
  std::string_view word;
  T value;
};

/// ": did you mean window?" where a candidate is close to the word, else ": use one of these".
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

/// Reads one value at a key path. Refers to the tree, which must outlive it. Every member throws UserError
/// `place: key.path: problem (why): suggestion` on a value that does not fit.
class Reader {
 public:
  explicit Reader(const Value& value, std::string path = "") : value_(&value), path_(std::move(path)) {}

  /// "run.yaml:7: stages.1"; "--set stages.1" where an override wrote just this value.
  std::string where() const;

  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw UserError(fmt::format("{}: {}", where(), fmt::format(format, std::forward<Args>(args)...)));
  }

  /// The value is a map that has no other keys than these.
  void require_keys(std::initializer_list<std::string_view> keys) const;

  std::optional<Reader> find(std::string_view key) const;  ///< in a map; none if absent
  Reader at(std::string_view key,
            std::string_view why) const;  ///< in a map; absent is an error, `why` says what it is for
  std::vector<Reader> items() const;      ///< of a list that has at least one
  std::vector<std::pair<std::string, Reader>> entries() const;  ///< of a map that has at least one, by key
  bool is_map() const { return value_->kind == Value::Kind::map; }
  bool is_list() const { return value_->kind == Value::Kind::sequence; }
  bool is_word(std::string_view word) const { return value_->kind == Value::Kind::scalar && value_->scalar == word; }

  std::string text() const;  ///< not empty
  std::string word() const;  ///< letters, digits, '_', '-', '.'
  std::int64_t integer(std::int64_t least, std::int64_t most) const;
  std::uint64_t unsigned_integer() const;
  double number() const;
  double duration() const;  ///< seconds, to the millisecond; written with units, "90s", "1h30m"

  template <class T, std::size_t n>
  T choice(const Choice<T> (&choices)[n]) const {
    const std::string given = text();
    const auto found = std::ranges::find(choices, given, &Choice<T>::word);
    if (found == std::end(choices)) {
      std::vector<std::string_view> words;
      for (const Choice<T>& choice : choices) words.push_back(choice.word);
      fail_choice(given, words);
    }
    return found->value;
  }

 private:
  const std::string& scalar(std::string_view expected) const;
  std::string path_of(std::string_view key) const;
  [[noreturn]] void fail_choice(std::string_view given, std::span<const std::string_view> words) const;

  const Value* value_;
  std::string path_;
};

}  // namespace pipespec::config
