/// Hashes of whole files, for the provenance of results.
#pragma once

#include <filesystem>
#include <string>

namespace pipespec::io {

/// SHA-256 of the file's bytes in lower-case hexadecimal, as `sha256sum` prints it. UserError where it cannot be read.
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace pipespec::io
