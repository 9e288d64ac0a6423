#include "comm/nccl_info.hpp"

#if PIPESPEC_HAVE_NCCL
#include <nccl.h>
#endif

namespace pipespec::comm {

std::string nccl_description() {
#if PIPESPEC_HAVE_NCCL
  int version = 0;  // major · 10000 + minor · 100 + patch
  if (ncclGetVersion(&version) != ncclSuccess) return "linked, but its version cannot be read";
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
#else
  return "left out (not found at build time)";
#endif
}

}  // namespace pipespec::comm
