/// The one check of an MPI call: expression, place and MPI's own words become a Failure.
#pragma once

#include <mpi.h>

#include <source_location>

namespace pipespec::comm {

/// Throws Failure unless `code` is MPI_SUCCESS. `expression` is the call as written.
void check_mpi_call(int code, const char* expression,
                    const std::source_location& where = std::source_location::current());

}  // namespace pipespec::comm

/// Calls an MPI function and checks what it returns; in every build type.
#define PIPESPEC_MPI(call) ::pipespec::comm::check_mpi_call((call), #call)
