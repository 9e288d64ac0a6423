/// The life of MPI in this process.
#pragma once

#include <string>

namespace pipespec::comm {

/// Initialises MPI for calls from the main thread alone. It is finalised by `finalise()` only, never by a destructor:
/// on an error path, MPI_Finalize would wait for ranks that will never come. Whoever catches the error calls `abort`.
class Session {
 public:
  /// Failure if MPI grants no thread support at all.
  Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Collective: the orderly end.
  static void finalise();

  /// Ends all ranks of the job at once with this exit status. Does not return.
  [[noreturn]] static void abort(int status);

  static bool is_initialised();
};

/// "Open MPI v4.1.4, package: …": name and version of the library, up to the first comma or line end.
std::string mpi_library();

/// This host's name as MPI tells it.
std::string host_name();

}  // namespace pipespec::comm
