#include <H5public.h>
#include <fmt/chrono.h>

#include <chrono>
#include <ctime>

#include "core/build_info.hpp"
#include "results/results.hpp"

namespace pipespec::results {

Provenance provenance_of_build() {
  Provenance provenance;
  provenance.version = build_info::version();
  provenance.revision = build_info::revision();
  provenance.build = fmt::format("{}, {}", build_info::build_type(), build_info::compiler());
  provenance.date = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  provenance.hdf5 = fmt::format("{}.{}.{}", major, minor, release);
  return provenance;
}

}  // namespace pipespec::results
