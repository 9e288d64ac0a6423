#include <fmt/format.h>
#include <hdf5.h>

#include "app/commands.hpp"
#include "comm/nccl_info.hpp"
#include "comm/session.hpp"
#include "core/build_info.hpp"
#include "device/cuda_info.hpp"
#include "ops/instruction_set.hpp"

namespace pipespec::app {

std::string version_text() {
  unsigned major = 0, minor = 0, patch = 0;
  H5get_libversion(&major, &minor, &patch);
  const std::string sanitizers =
      build_info::sanitizers().empty() ? "" : fmt::format(", sanitizers {}", build_info::sanitizers());
  return fmt::format(
      "pipespec {} (revision {})\n"
      "  build     {}, {}{}\n"
      "  backends  host; cuda is not part of this version\n"
      "  host      {}\n"
      "  CUDA      {}\n"
      "  NCCL      {}\n"
      "  MPI       {}\n"
      "  HDF5      {}.{}.{}",
      build_info::version(), build_info::revision(), build_info::build_type(), build_info::compiler(), sanitizers,
      ops::instruction_set(), device::cuda_description(), comm::nccl_description(), comm::mpi_library(), major, minor,
      patch);
}

}  // namespace pipespec::app
