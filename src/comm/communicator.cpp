#include "comm/communicator.hpp"

#include <numeric>
#include <utility>

#include "comm/backoff.hpp"
#include "comm/mpi_call.hpp"
#include "comm/session.hpp"

namespace pipespec::comm {

void wait(MPI_Request& request, const OnPoll& on_poll) {
  Backoff backoff;
  for (int done = 0;; backoff.pause()) {
    if (on_poll) on_poll();
    PIPESPEC_MPI(MPI_Test(&request, &done, MPI_STATUS_IGNORE));
    if (done != 0) return;
  }
}

namespace {

template <class T>
std::vector<T> gather_values(const Communicator& comm, T value, MPI_Datatype type) {
  std::vector<T> all(comm.size());
  MPI_Request request = MPI_REQUEST_NULL;
  PIPESPEC_MPI(MPI_Iallgather(&value, 1, type, all.data(), 1, type, comm.get(), &request));
  wait(request);
  return all;
}

template <class Container>
void broadcast_container(const Communicator& comm, Container& values, MPI_Datatype type, int root) {
  auto length = static_cast<std::int64_t>(values.size());
  comm.broadcast(std::span(&length, 1), root);
  values.resize(length);
  MPI_Request request = MPI_REQUEST_NULL;
  PIPESPEC_MPI(MPI_Ibcast(values.data(), static_cast<int>(length), type, root, comm.get(), &request));
  wait(request);
}

}  // namespace

Communicator::Communicator(MPI_Comm comm) : comm_(comm) {
  PIPESPEC_MPI(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
  PIPESPEC_MPI(MPI_Comm_rank(comm_, &rank_));
  PIPESPEC_MPI(MPI_Comm_size(comm_, &size_));
}

Communicator Communicator::world() {
  MPI_Comm comm = MPI_COMM_NULL;
  PIPESPEC_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &comm));
  return Communicator(comm);
}

Communicator Communicator::split(int color) const {
  MPI_Comm comm = MPI_COMM_NULL;
  PIPESPEC_MPI(MPI_Comm_split(comm_, color, rank_, &comm));
  return Communicator(comm);
}

Communicator Communicator::split_by_host() const {
  MPI_Comm comm = MPI_COMM_NULL;
  PIPESPEC_MPI(MPI_Comm_split_type(comm_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &comm));
  return Communicator(comm);
}

Communicator::Communicator(Communicator&& other) noexcept
    : comm_(std::exchange(other.comm_, MPI_COMM_NULL)), rank_(other.rank_), size_(other.size_) {}

Communicator& Communicator::operator=(Communicator&& other) noexcept {
  std::swap(comm_, other.comm_);
  std::swap(rank_, other.rank_);
  std::swap(size_, other.size_);
  return *this;
}

Communicator::~Communicator() {
  // While an error unwinds the stack other ranks may be gone; the collective free would wait for them.
  if (comm_ != MPI_COMM_NULL && std::uncaught_exceptions() == 0 && Session::is_initialised()) MPI_Comm_free(&comm_);
}

void Communicator::barrier(const OnPoll& on_poll) const {
  MPI_Request request = MPI_REQUEST_NULL;
  PIPESPEC_MPI(MPI_Ibarrier(comm_, &request));
  wait(request, on_poll);
}

void Communicator::broadcast(std::span<std::int64_t> values, int root, const OnPoll& on_poll) const {
  MPI_Request request = MPI_REQUEST_NULL;
  PIPESPEC_MPI(MPI_Ibcast(values.data(), static_cast<int>(values.size()), MPI_INT64_T, root, comm_, &request));
  wait(request, on_poll);
}

std::string Communicator::broadcast(std::string text, int root) const {
  broadcast_container(*this, text, MPI_CHAR, root);
  return text;
}

std::vector<std::int32_t> Communicator::broadcast(std::vector<std::int32_t> tokens, int root) const {
  broadcast_container(*this, tokens, MPI_INT32_T, root);
  return tokens;
}

std::vector<std::int64_t> Communicator::gather_all(std::int64_t value) const {
  return gather_values(*this, value, MPI_INT64_T);
}

std::vector<double> Communicator::gather_all(double value) const {
  return gather_values(*this, value, MPI_DOUBLE);
}

std::vector<std::string> Communicator::gather_all(const std::string& text) const {
  const std::vector<std::int64_t> wide = gather_all(static_cast<std::int64_t>(text.size()));
  const std::vector<int> lengths(wide.begin(), wide.end());
  std::vector<int> begins(lengths.size());
  std::exclusive_scan(lengths.begin(), lengths.end(), begins.begin(), 0);
  std::string whole(std::accumulate(lengths.begin(), lengths.end(), std::size_t{0}), '\0');
  MPI_Request request = MPI_REQUEST_NULL;
  PIPESPEC_MPI(MPI_Iallgatherv(text.data(), lengths[rank_], MPI_CHAR, whole.data(), lengths.data(), begins.data(),
                               MPI_CHAR, comm_, &request));
  wait(request);
  std::vector<std::string> texts;
  for (int r = 0; r < size_; ++r) texts.push_back(whole.substr(begins[r], lengths[r]));
  return texts;
}

}  // namespace pipespec::comm
