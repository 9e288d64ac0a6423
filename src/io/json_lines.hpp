/// Reading of .jsonl and .jsonl.gz files, one JSON value a line.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace pipespec::io {

/// One line of the file.
struct JsonLine {
  nlohmann::json value;
  std::string where;  ///< "file:line", for messages
};

/// Reads a file of JSON lines, compressed with gzip or not (decided by its content). Blank lines are skipped. Holds one
/// line and a small buffer at a time. Not thread-safe. All errors are UserErrors naming the file, and the line where it
/// applies.
class JsonLines {
 public:
  explicit JsonLines(const std::filesystem::path& path);
  static JsonLines standard_input();

  /// The next line; nullopt at the end of the file.
  std::optional<JsonLine> next();

 private:
  struct Closer {
    void operator()(void* file) const;
  };
  JsonLines(void* file, std::string name);

  bool refill();

  std::unique_ptr<void, Closer> file_;  // zlib's gzFile
  std::string name_;
  std::string buffer_;     // the decompressed characters not yet handed out
  std::size_t begin_ = 0;  // of them in buffer_
  int line_ = 0;           // number of the last line handed out, from 1
};

}  // namespace pipespec::io
