#include "app/agreement.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "app/exit_status.hpp"
#include "core/error.hpp"

namespace pipespec::app {

namespace {

struct Verdict {
  int status = exit_done;
  std::string message;
};

Verdict verdict_of(const std::exception_ptr& error) {
  if (!error) return {};
  try {
    std::rethrow_exception(error);
  } catch (const UserError& e) {
    return {exit_wrong_request, e.what()};
  } catch (const std::exception& e) {
    return {exit_failure, e.what()};
  }
}

}  // namespace

void agree(const comm::Communicator& comm, const std::exception_ptr& error) {
  const Verdict mine = verdict_of(error);
  const std::vector<std::int64_t> all = comm.gather_all(static_cast<std::int64_t>(mine.status));
  const auto first = std::find_if(all.begin(), all.end(), [](std::int64_t status) { return status != exit_done; });
  if (first == all.end()) return;
  const bool is_teller = first - all.begin() == comm.rank();
  throw AgreedError{static_cast<int>(*first), is_teller ? mine.message : std::string()};
}

}  // namespace pipespec::app
