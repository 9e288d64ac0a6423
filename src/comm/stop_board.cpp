#include "comm/stop_board.hpp"

#include "comm/mpi_call.hpp"
#include "comm/session.hpp"
#include "comm/tags.hpp"

namespace pipespec::comm {

StopBoard::StopBoard(const Communicator& comm, int decider, Doorbells* bells)
    : comm_(comm), decider_(decider), bells_(bells) {
  if (comm_.rank() != decider_) return;
  words_.resize(comm_.size());
  requests_.resize(comm_.size(), MPI_REQUEST_NULL);
  for (int rank = 0; rank < comm_.size(); ++rank) {
    if (rank == decider_) continue;
    PIPESPEC_MPI(MPI_Irecv(&words_[rank], 1, MPI_INT32_T, rank, static_cast<int>(Tag::stop_request), comm_.get(),
                           &requests_[rank]));
  }
}

StopBoard::~StopBoard() {
  if (!Session::is_initialised()) return;
  requests_.push_back(sent_);
  for (MPI_Request& request : requests_) {
    if (request == MPI_REQUEST_NULL) continue;
    MPI_Cancel(&request);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
  }
}

void StopBoard::ask() {
  if (comm_.rank() == decider_) {
    asked_ = true;
  } else if (!has_sent_) {
    send(1);
  }
}

void StopBoard::send(std::int32_t word) {
  has_sent_ = true;
  word_ = word;
  PIPESPEC_MPI(MPI_Isend(&word_, 1, MPI_INT32_T, decider_, static_cast<int>(Tag::stop_request), comm_.get(), &sent_));
  if (reaches(decider_)) bells_->ring(decider_, Tag::stop_request);
}

bool StopBoard::is_asked() {
  for (std::size_t rank = 0; rank < requests_.size(); ++rank) {
    if (requests_[rank] == MPI_REQUEST_NULL) continue;
    const auto from = static_cast<int>(rank);
    if (reaches(from) && !bells_->has_news(from, Tag::stop_request)) continue;
    int arrived = 0;
    PIPESPEC_MPI(MPI_Test(&requests_[rank], &arrived, MPI_STATUS_IGNORE));
    if (arrived != 0 && words_[rank] != 0) asked_ = true;
  }
  return asked_;
}

void StopBoard::close() {
  if (comm_.rank() != decider_ && !has_sent_) send(0);
  wait(sent_);
  for (MPI_Request& request : requests_) wait(request);
  for (const std::int32_t word : words_) asked_ |= word != 0;
}

}  // namespace pipespec::comm
