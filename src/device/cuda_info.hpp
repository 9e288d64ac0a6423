/// What `--version` says about the GPU libraries.
#pragma once

#include <string>

namespace pipespec::device {

/// "CUDA 13.0, cuBLAS 13.0.2, no device", or "left out (not found at build time)".
std::string cuda_description();

}  // namespace pipespec::device
