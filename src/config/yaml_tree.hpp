/// A YAML document as a plain tree in which every value knows where it was written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pipespec::config {

/// A null, a scalar, a sequence or a map. Map entries keep the order of the file; keys are unique.
struct Value {
  enum class Kind : std::uint8_t { null, scalar, sequence, map };
  struct Entry;

  Kind kind = Kind::null;
  std::string scalar;
  bool quoted = false;  ///< a scalar in quotes is text, whatever it looks like
  std::vector<Value> items;
  std::vector<Entry> entries;
  std::string place;  ///< "run.yaml:7" or "--set stages.1.threads"

  const Value* find(std::string_view key) const;  ///< in a map; null if absent
  Value* find(std::string_view key);
};

struct Value::Entry {
  std::string key;
  Value value;
};

/// The text of a small file. UserErrors say that `expected` ("a run configuration") is expected there.
std::string read_text(const std::filesystem::path& file, std::string_view expected);

/// The tree of the one document in `text`; `file` names it in places. Anchors, aliases and merge keys (`<<`) are
/// resolved. UserError for what is not YAML, not a map, has a key twice, or is nested or repeated without bounds.
Value read_yaml(std::string_view text, std::string_view file);

/// Puts the YAML value behind the `=` of "a.b.0=value" at that path of `root`, making maps on the way where there is
/// nothing yet. UserError if the path does not fit the tree.
void apply_override(Value& root, std::string_view assignment);

/// A value from outside as it may stand in a message: one line, without control characters, shortened.
std::string printable(std::string_view text);

}  // namespace pipespec::config
