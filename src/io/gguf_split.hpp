/// The names of the files into which llama.cpp's gguf-split cuts a model.
#pragma once

#include <filesystem>
#include <vector>

namespace pipespec::io {

/// All parts of the model at `path`, in order: NAME-00001-of-00003.gguf, NAME-00002-of-00003.gguf and so on beside it
/// if it is named as one of them, else `path` alone. Looks at the name only.
std::vector<std::filesystem::path> gguf_parts(const std::filesystem::path& path);

}  // namespace pipespec::io
