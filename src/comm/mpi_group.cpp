#include "comm/mpi_group.hpp"

#include <algorithm>
#include <numeric>

#include "comm/mpi_call.hpp"
#include "core/error.hpp"

namespace pipespec::comm {

namespace {

/// all [size, part]: every rank's `part` bytes, in rank order.
void gather_bytes(const Communicator& comm, std::span<const std::byte> part, std::span<std::byte> all) {
  MPI_Request request = MPI_REQUEST_NULL;
  const auto count = static_cast<int>(part.size());
  PIPESPEC_MPI(MPI_Iallgather(part.data(), count, MPI_BYTE, all.data(), count, MPI_BYTE, comm.get(), &request));
  wait(request);
}

}  // namespace

void MpiGroup::sum_in_rank_order(std::span<float> values) {
  const std::size_t count = values.size();
  parts_.resize(count * size());
  gather_bytes(comm_, std::as_bytes(values), std::as_writable_bytes(std::span(parts_)));
  std::copy_n(parts_.begin(), count, values.begin());
  for (int r = 1; r < size(); ++r) {
    const float* part = parts_.data() + r * count;
    for (std::size_t i = 0; i < count; ++i) values[i] += part[i];
  }
}

void MpiGroup::best_of_all(std::span<Best> best) {
  const std::size_t count = best.size();
  bests_.resize(count * size());
  gather_bytes(comm_, std::as_bytes(best), std::as_writable_bytes(std::span(bests_)));
  for (std::size_t i = 0; i < bests_.size(); ++i) {
    const Best& other = bests_[i];
    Best& mine = best[i % count];
    if (other.value > mine.value || (other.value == mine.value && other.token < mine.token)) mine = other;
  }
}

void MpiGroup::gather(std::span<const float> part, std::span<float> whole) {
  const std::vector<std::int64_t> wide = comm_.gather_all(static_cast<std::int64_t>(part.size()));
  const std::vector<int> lengths(wide.begin(), wide.end());
  std::vector<int> begins(lengths.size());
  std::exclusive_scan(lengths.begin(), lengths.end(), begins.begin(), 0);
  expect(begins.back() + lengths.back() == static_cast<std::int64_t>(whole.size()), "the parts make up the whole");
  MPI_Request request = MPI_REQUEST_NULL;
  PIPESPEC_MPI(MPI_Iallgatherv(part.data(), lengths[rank()], MPI_FLOAT, whole.data(), lengths.data(), begins.data(),
                               MPI_FLOAT, comm_.get(), &request));
  wait(request);
}

}  // namespace pipespec::comm
