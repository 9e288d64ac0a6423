/// Hashes of what a run reads, for the provenance of results.
#pragma once

#include <filesystem>
#include <string>

namespace pipespec::io {

/// SHA-256 of the file's bytes in lower-case hexadecimal, as `sha256sum` prints it. Of a folder: of the lines
/// "<hash>  <name>" of the files in it, by name, as `sha256sum * | sha256sum` prints it; folders inside do not count.
/// Of a part of a GGUF model that was split: likewise of all parts (gguf_split.hpp). UserError where something cannot be read.
std::string sha256_of(const std::filesystem::path& path);

}  // namespace pipespec::io
