#include "io/json_file.hpp"

#include "core/error.hpp"
#include "io/mapped_file.hpp"

namespace pipespec::io {

nlohmann::json parse_json(std::string_view text, const std::string& name) {
  const auto check_depth = [&](int depth, nlohmann::json::parse_event_t, const nlohmann::json&) {
    constexpr int deepest = 64;
    validate(depth <= deepest, "{} is nested more than {} deep: get the file again", name, deepest);
    return true;
  };
  try {
    return nlohmann::json::parse(text, check_depth);
  } catch (const nlohmann::json::parse_error& error) {
    reject("{} is not JSON (it breaks off or is damaged at byte {}): get the file again", name, error.byte);
  } catch (const nlohmann::json::exception&) {  // a number out of range
    reject("{} is not JSON that can be read: get the file again", name);
  }
}

nlohmann::json read_json_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  return parse_json({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, path.string());
}

}  // namespace pipespec::io
