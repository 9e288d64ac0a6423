#include "device/cuda_info.hpp"

#if PIPESPEC_HAVE_CUDA
#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <fmt/format.h>
#endif

namespace pipespec::device {

#if PIPESPEC_HAVE_CUDA

std::string cuda_description() {
  int runtime = 0, devices = 0, major = 0, minor = 0, patch = 0;
  cudaRuntimeGetVersion(&runtime);
  cublasGetProperty(MAJOR_VERSION, &major);
  cublasGetProperty(MINOR_VERSION, &minor);
  cublasGetProperty(PATCH_LEVEL, &patch);
  if (cudaGetDeviceCount(&devices) != cudaSuccess) devices = 0;  // also where there is no driver
  const std::string found = devices == 0 ? "no device" : fmt::format("{} device{}", devices, devices == 1 ? "" : "s");
  return fmt::format("CUDA {}.{}, cuBLAS {}.{}.{}, {}", runtime / 1000, runtime % 1000 / 10, major, minor, patch,
                     found);
}

#else

std::string cuda_description() {
  return "left out (not found at build time)";
}

#endif

}  // namespace pipespec::device
