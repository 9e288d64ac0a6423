#include "config/yaml_tree.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "config/number.hpp"
#include "core/error.hpp"

namespace pipespec::config {
namespace {

// A run configuration is small. The bounds end documents that multiply by aliases of aliases.
constexpr std::size_t max_depth = 32;
constexpr std::size_t max_values = 100'000;

/// Where the values of one document come from.
class Source {
 public:
  static Source file(std::string_view name) { return Source(std::string(name), Numbering::lines); }
  static Source override_of(std::string_view path) { return Source(fmt::format("--set {}", path), Numbering::none); }

  std::string place(const YAML::Mark& mark) const {
    if (numbering_ == Numbering::none || mark.is_null()) return name_;
    return fmt::format("{}:{}", name_, mark.line + 1);
  }
  const std::string& name() const { return name_; }

 private:
  enum class Numbering : std::uint8_t { lines, none };
  Source(std::string name, Numbering numbering) : name_(std::move(name)), numbering_(numbering) {}

  std::string name_;
  Numbering numbering_;
};

/// Builds the tree of one document from the parser's events. (yaml-cpp's own tree forgets keys that are given twice,
/// and its LoadAll does not end on a file that begins with a comma.)
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const Source& source) : source_(source) {}

  /// The value of the document; a null if there was none.
  Value take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(at(mark, Value::Kind::null), anchor, 1); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    Value value = at(mark, Value::Kind::scalar);
    value.scalar = text;
    value.quoted = tag == "!";
    add(std::move(value), anchor, 1);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto known = anchors_.find(anchor);
    validate(known != anchors_.end(), "{}: an alias that contains itself (it would never end): write the value out",
             source_.place(mark));
    Value value = known->second.value;
    value.place = source_.place(mark);
    add(std::move(value), 0, known->second.size);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(at(mark, Value::Kind::sequence), anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(at(mark, Value::Kind::map), anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override {
    for (const Value& value : open_.back().merged) merge(value, open_.back().value);
    close();
  }

 private:
  /// A sequence or map whose end has not been seen.
  struct Open {
    Value value;
    YAML::anchor_t anchor;
    std::size_t size = 1;      ///< values in it, itself included
    std::optional<Value> key;  ///< of a map, when its value comes next
    std::vector<Value> merged;
  };
  struct Anchored {
    Value value;
    std::size_t size;
  };

  Value at(const YAML::Mark& mark, Value::Kind kind) const {
    Value value;
    value.kind = kind;
    value.place = source_.place(mark);
    return value;
  }

  void open(Value value, YAML::anchor_t anchor) {
    validate(open_.size() < max_depth, "{}: nested too deeply (more than {} levels): simplify the file", value.place,
             max_depth);
    open_.push_back({std::move(value), anchor, 1, {}, {}});
  }

  void close() {
    Open closed = std::move(open_.back());
    open_.pop_back();
    add(std::move(closed.value), closed.anchor, closed.size);
  }

  /// A value is complete: it goes into what encloses it.
  void add(Value value, YAML::anchor_t anchor, std::size_t size) {
    if (anchor != 0) anchors_[anchor] = {value, size};
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    Open& parent = open_.back();
    parent.size += size;
    validate(parent.size <= max_values, "{}: aliases repeat too much (more than {} values): write fewer of them",
             value.place, max_values);
    if (parent.value.kind == Value::Kind::sequence)
      parent.value.items.push_back(std::move(value));
    else if (!parent.key)
      set_key(parent, std::move(value));
    else
      set_value(parent, std::move(value));
  }

  static void set_key(Open& map, Value key) {
    validate(key.kind == Value::Kind::scalar,
             "{}: a key is not a word (it is a list, a map or empty): write key: value", key.place);
    const Value* first = map.value.find(key.scalar);
    validate(!first, "{}: key '{}' is given twice (first at {}): remove one", key.place, printable(key.scalar),
             first ? first->place : "");
    map.key = std::move(key);
  }

  static void set_value(Open& map, Value value) {
    value.place = map.key->place;
    if (map.key->scalar == "<<" && !map.key->quoted)
      map.merged.push_back(std::move(value));
    else
      map.value.entries.push_back({map.key->scalar, std::move(value)});
    map.key.reset();
  }

  /// `<<: map` and `<<: [map, map]`: what the map does not say itself, the first of the merged maps that does.
  static void merge(const Value& from, Value& map) {
    if (from.kind == Value::Kind::sequence) {
      for (const Value& item : from.items) merge(item, map);
      return;
    }
    validate(from.kind == Value::Kind::map,
             "{}: '<<' merges something that is no map (a map is expected): write <<: *anchor", from.place);
    for (const Value::Entry& entry : from.entries)
      if (!map.find(entry.key)) map.entries.push_back(entry);
  }

  const Source& source_;
  Value root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Anchored> anchors_;
};

bool has_tab_indentation(std::string_view text, int line) {
  for (; line > 0; --line) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find_first_not_of(" \t")).find('\t') != std::string_view::npos;
}

/// The value of the one document of `text`; null if there is none.
Value parse_document(std::string_view text, const Source& source) {
  std::istringstream stream{std::string(text)};
  try {
    YAML::Parser parser(stream);
    TreeBuilder first(source), second(source);
    if (!parser.HandleNextDocument(first)) return {};
    validate(!parser.HandleNextDocument(second),
             "{}: more than one YAML document (one is expected): remove the line '---'", source.name());
    return first.take();
  } catch (const YAML::Exception& error) {
    const std::string place = source.place(error.mark);
    if (!error.mark.is_null() && has_tab_indentation(text, error.mark.line))
      reject("{}: not valid YAML (a tab in the indentation): indent with spaces", place);
    reject("{}: not valid YAML ({}): check indentation, brackets and quotes", place, printable(error.msg));
  }
}

struct Assignment {
  std::string_view path, value;
};

Assignment split(std::string_view assignment) {
  const auto equals = assignment.find('=');
  validate(equals != std::string_view::npos && equals > 0,
           "--set {}: not an assignment (key.path=value is expected): write, say, --set generation.max_new_tokens=64",
           printable(assignment));
  return {assignment.substr(0, equals), assignment.substr(equals + 1)};
}

Value& child(Value& parent, std::string_view step, const std::string& place) {
  if (parent.kind == Value::Kind::null) parent.kind = Value::Kind::map;
  if (parent.kind == Value::Kind::map) {
    if (Value* found = parent.find(step)) return *found;
    parent.entries.push_back(Value::Entry{std::string(step), Value{}});
    parent.entries.back().value.place = place;
    return parent.entries.back().value;
  }
  validate(parent.kind == Value::Kind::sequence,
           "{}: nothing can be set at '{}' (it lies inside a single value): shorten the path", place, printable(step));
  const auto index = parse_number<std::size_t>(step);
  validate(index && *index < parent.items.size(),
           "{}: no entry '{}' (the list has {}, counted from 0): use a number below {}", place, printable(step),
           parent.items.size(), parent.items.size());
  return parent.items[*index];
}

}  // namespace

const Value* Value::find(std::string_view key) const {
  const auto entry = std::ranges::find(entries, key, &Entry::key);
  return entry == entries.end() ? nullptr : &entry->value;
}

Value* Value::find(std::string_view key) {
  return const_cast<Value*>(std::as_const(*this).find(key));
}

std::string read_text(const std::filesystem::path& file, std::string_view expected) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  validate(std::filesystem::exists(status), "{}: no such file ({} is expected): check the path", file.string(),
           expected);
  validate(std::filesystem::is_regular_file(status), "{}: not a file ({} is expected): name a YAML file", file.string(),
           expected);
  constexpr std::uintmax_t most = 1 << 20;
  validate(std::filesystem::file_size(file, error) <= most,
           "{}: larger than {} bytes ({} is small): is this the right file?", file.string(), most, expected);
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  validate(stream.good(), "{}: cannot be read ({}): check its permissions", file.string(), std::strerror(errno));
  return text.str();
}

Value read_yaml(std::string_view text, std::string_view file) {
  Value root = parse_document(text, Source::file(file));
  validate(root.kind != Value::Kind::null, "{}: the file is empty (a run configuration is expected): see configs/",
           file);
  validate(root.kind == Value::Kind::map,
           "{}: the file is not a map (keys like name and stages are expected): see configs/", root.place);
  return root;
}

void apply_override(Value& root, std::string_view assignment) {
  const auto [path, text] = split(assignment);
  const Source source = Source::override_of(printable(path));
  Value value = parse_document(text, source);
  value.place = source.name();

  Value* target = &root;
  std::string_view rest = path;
  while (true) {
    const auto dot = rest.find('.');
    const std::string_view step = rest.substr(0, dot);
    validate(!step.empty(), "{}: an empty step in the path (two dots in a row, or one at an end): write a.b.c",
             source.name());
    target = &child(*target, step, source.name());
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  *target = std::move(value);
}

std::string printable(std::string_view text) {
  constexpr std::size_t longest = 80;
  std::string line(text.substr(0, longest));
  // Cut before a multi-byte character rather than inside it.
  if (text.size() > longest) {
    while (!line.empty() && (static_cast<unsigned char>(text[line.size()]) & 0xC0) == 0x80) line.pop_back();
    line += "...";
  }
  std::ranges::replace_if(
      line, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  return line;
}

}  // namespace pipespec::config
