/// JSON files that belong to a model.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace pipespec::io {

/// The file's content. UserError, naming the file, where it cannot be read, is not JSON, or is nested more than 64
/// deep.
nlohmann::json read_json_file(const std::filesystem::path& file);

}  // namespace pipespec::io
