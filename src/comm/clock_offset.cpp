#include "comm/clock_offset.hpp"

#include "comm/mpi_call.hpp"
#include "comm/tags.hpp"
#include "core/clock.hpp"

namespace pipespec::comm {

namespace {

constexpr int round_trips = 20;
constexpr int tag = static_cast<int>(Tag::clock);

void exchange(const Communicator& comm, double* value, int peer, bool send) {
  MPI_Request request = MPI_REQUEST_NULL;
  PIPESPEC_MPI(send ? MPI_Isend(value, 1, MPI_DOUBLE, peer, tag, comm.get(), &request)
                    : MPI_Irecv(value, 1, MPI_DOUBLE, peer, tag, comm.get(), &request));
  wait(request);
}

}  // namespace

double clock_offset(const Communicator& comm) {
  double offset = 0;
  for (int peer = 1; peer < comm.size(); ++peer) {
    if (comm.rank() == 0) {
      for (int i = 0; i < round_trips; ++i) {
        double time = 0;
        exchange(comm, &time, peer, false);
        time = steady_seconds();
        exchange(comm, &time, peer, true);
      }
    } else if (comm.rank() == peer) {
      double fastest = 1e300;
      for (int i = 0; i < round_trips; ++i) {
        const double begin = steady_seconds();
        double time = begin;
        exchange(comm, &time, 0, true);
        exchange(comm, &time, 0, false);
        const double end = steady_seconds();
        if (end - begin < fastest) {
          fastest = end - begin;
          offset = 0.5 * (begin + end) - time;
        }
      }
    }
  }
  return offset;
}

}  // namespace pipespec::comm
