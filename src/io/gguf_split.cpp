#include "io/gguf_split.hpp"

#include <fmt/format.h>

#include <regex>
#include <string>

namespace pipespec::io {

std::vector<std::filesystem::path> gguf_parts(const std::filesystem::path& path) {
  static const std::regex form("(.*)-([0-9]{5})-of-([0-9]{5})\\.gguf");
  const std::string name = path.filename().string();
  std::smatch match;
  if (!std::regex_match(name, match, form)) return {path};
  const int part = std::stoi(match[2]), count = std::stoi(match[3]);
  if (part < 1 || part > count) return {path};
  std::vector<std::filesystem::path> parts;
  for (int i = 1; i <= count; ++i)
    parts.push_back(path.parent_path() / fmt::format("{}-{:05}-of-{:05}.gguf", match[1].str(), i, count));
  return parts;
}

}  // namespace pipespec::io
