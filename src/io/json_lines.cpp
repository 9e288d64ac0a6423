#include "io/json_lines.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.hpp"

namespace pipespec::io {
namespace {

constexpr std::size_t chunk_bytes = 1 << 16;
constexpr std::size_t line_limit_bytes = 64 << 20;  // a compressed file of one endless line must not fill the memory

gzFile open_file(const std::filesystem::path& path) {
  validate(!std::filesystem::is_directory(path), "{} cannot be read (it is a directory): name a file", path.string());
  gzFile file = gzopen(path.c_str(), "rb");
  validate(file != nullptr, "{} cannot be read ({}): check the path", path.string(), std::strerror(errno));
  return file;
}

/// What the parser says, without its error number and without the text it had read (which may be all of the line).
std::string_view brief_reason(const nlohmann::json::exception& error) {
  std::string_view reason = error.what();
  reason.remove_prefix(std::min(reason.find("] ") + 2, reason.size()));
  if (reason.starts_with("parse error at line 1, ")) reason.remove_prefix(std::strlen("parse error at line 1, "));
  return reason.substr(0, reason.find("; last read"));
}

}  // namespace

void JsonLines::Closer::operator()(void* file) const {
  gzclose(static_cast<gzFile>(file));
}

JsonLines::JsonLines(void* file, std::string name) : file_(file), name_(std::move(name)) {}

JsonLines::JsonLines(const std::filesystem::path& path) : JsonLines(open_file(path), path.string()) {}

JsonLines JsonLines::standard_input() {
  return {gzdopen(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0), "rb"), "standard input"};
}

bool JsonLines::refill() {
  buffer_.erase(0, std::exchange(begin_, 0));
  validate(buffer_.size() < line_limit_bytes,
           "{}:{} is longer than {} MiB (one line must hold one JSON value): split it", name_, line_ + 1,
           line_limit_bytes >> 20);
  const std::size_t old_size = buffer_.size();
  buffer_.resize(old_size + chunk_bytes);
  auto* file = static_cast<gzFile>(file_.get());
  const int count = gzread(file, buffer_.data() + old_size, chunk_bytes);
  buffer_.resize(old_size + static_cast<std::size_t>(std::max(count, 0)));
  int status = Z_OK;
  const char* problem = gzerror(file, &status);  // a file cut off inside its compressed data shows here only
  if (status == Z_ERRNO) problem = std::strerror(errno);
  validate(count >= 0 && status == Z_OK, "{} cannot be read after line {} ({}): get the file again", name_, line_,
           problem);
  return count > 0;
}

std::optional<JsonLine> JsonLines::next() {
  std::size_t searched = 0;  // characters of the current line known to hold no line end
  for (;;) {
    const std::size_t end = buffer_.find('\n', begin_ + searched);
    searched = buffer_.size() - begin_;
    if (end == std::string::npos && refill()) continue;
    const bool last = end == std::string::npos;
    if (last && begin_ == buffer_.size()) return std::nullopt;
    const std::string_view line = std::string_view(buffer_).substr(begin_, last ? end : end - begin_);
    begin_ += line.size() + (last ? 0 : 1);
    searched = 0;
    ++line_;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    std::string where = fmt::format("{}:{}", name_, line_);
    try {
      return JsonLine{nlohmann::json::parse(line), std::move(where)};
    } catch (const nlohmann::json::exception& error) {
      reject("{} is not JSON ({}): each line must hold one JSON value", where, brief_reason(error));
    }
  }
}

}  // namespace pipespec::io
