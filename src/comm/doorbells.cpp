#include "comm/doorbells.hpp"

#include <ctime>
#include <exception>
#include <new>
#include <thread>

#include "comm/mpi_call.hpp"
#include "comm/session.hpp"
#include "core/log.hpp"

namespace pipespec::comm {

Doorbells::Doorbells(const Communicator& comm)
    : host_(comm.split_by_host()), own_(comm.rank()), doors_(comm.size()), taken_(place(comm.size(), Tag{})) {
  // Whole cache lines, as the ranks' parts follow each other in memory.
  const auto bytes = static_cast<MPI_Aint>((sizeof(Door) + taken_.size() * sizeof(Count) + 63) / 64 * 64);
  Door* own = nullptr;
  const int status = MPI_Win_allocate_shared(bytes, 1, MPI_INFO_NULL, host_.get(), &own, &memory_);
  for (const std::int64_t each : host_.gather_all(static_cast<std::int64_t>(status))) {
    if (each == MPI_SUCCESS) continue;
    log::info("no shared memory between the ranks of a host: they ask MPI for messages instead");
    memory_ = MPI_WIN_NULL;
    return;
  }
  new (own) Door;
  sem_init(&own->bell, 1, 0);
  for (std::size_t i = 0; i < taken_.size(); ++i) new (own->counts() + i) Count(0);
  const std::vector<std::int64_t> ranks = host_.gather_all(static_cast<std::int64_t>(comm.rank()));  // all are ready
  for (int r = 0; r < host_.size(); ++r) {
    MPI_Aint size = 0;
    int unit = 0;
    PIPESPEC_MPI(MPI_Win_shared_query(memory_, r, &size, &unit, &doors_[static_cast<std::size_t>(ranks[r])]));
  }
}

Doorbells::~Doorbells() {
  if (memory_ != MPI_WIN_NULL && std::uncaught_exceptions() == 0 && Session::is_initialised()) MPI_Win_free(&memory_);
}

void Doorbells::ring(int rank, Tag tag) {
  Door& door = *doors_[rank];
  door.counts()[place(own_, tag)].fetch_add(1);
  // Where it rings already, whoever hears that looks at the count afterwards.
  int rings = 0;
  sem_getvalue(&door.bell, &rings);
  if (rings == 0) sem_post(&door.bell);
}

void Doorbells::wait(std::chrono::nanoseconds most) {
  int any = 0;
  PIPESPEC_MPI(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, host_.get(), &any, MPI_STATUS_IGNORE));
  if (!reaches(own_)) {
    std::this_thread::sleep_for(most);
    return;
  }
  timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  const auto nanoseconds = until.tv_nsec + most.count();
  until.tv_sec += nanoseconds / 1'000'000'000;
  until.tv_nsec = nanoseconds % 1'000'000'000;
  sem_t& bell = doors_[own_]->bell;
  sem_clockwait(&bell, CLOCK_MONOTONIC, &until);
  while (sem_trywait(&bell) == 0) continue;
}

}  // namespace pipespec::comm
