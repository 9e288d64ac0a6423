#include "comm/session.hpp"

#include <mpi.h>

#include <array>
#include <cstdlib>
#include <string_view>

#include "comm/mpi_call.hpp"
#include "core/error.hpp"

namespace pipespec::comm {

Session::Session() {
  int granted = MPI_THREAD_SINGLE;
  PIPESPEC_MPI(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &granted));
  if (granted < MPI_THREAD_FUNNELED) throw Failure("MPI grants no thread support (MPI_THREAD_FUNNELED is needed)");
}

void Session::finalise() {
  PIPESPEC_MPI(MPI_Finalize());
}

void Session::abort(int status) {
  MPI_Abort(MPI_COMM_WORLD, status);
  std::abort();
}

bool Session::is_initialised() {
  int initialised = 0, finalised = 0;
  MPI_Initialized(&initialised);
  MPI_Finalized(&finalised);
  return initialised != 0 && finalised == 0;
}

std::string mpi_library() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  PIPESPEC_MPI(MPI_Get_library_version(text.data(), &length));
  const std::string_view whole(text.data(), length);
  return std::string(whole.substr(0, whole.find_first_of(",\n")));
}

std::string host_name() {
  std::array<char, MPI_MAX_PROCESSOR_NAME> text{};
  int length = 0;
  PIPESPEC_MPI(MPI_Get_processor_name(text.data(), &length));
  return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace pipespec::comm
