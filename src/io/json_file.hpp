/// JSON files that belong to a model.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace pipespec::io {

/// The value of `text`, the whole of the file called `name`. UserError, naming the file, where it is not JSON, or is
/// nested more than 64 deep.
nlohmann::json parse_json(std::string_view text, const std::string& name);

/// The file's content, as parse_json(). UserError, too, where it cannot be read.
nlohmann::json read_json_file(const std::filesystem::path& file);

}  // namespace pipespec::io
