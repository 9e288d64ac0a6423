/// Errors that all ranks see together, so that they are told once and nobody is left waiting.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "comm/communicator.hpp"

namespace pipespec::app {

/// Thrown on every rank when a step that all ranks took failed on one of them. MPI is in order: `main` finalises it.
struct AgreedError {
  int status = 0;
  std::string message;  ///< on the one rank that tells it; empty on the others
};

/// Collective. `error` is what this rank's step threw, null if it went well. Returns if all went well; otherwise throws
/// AgreedError on every rank, with the message on the lowest rank that failed.
void agree(const comm::Communicator& comm, const std::exception_ptr& error);

/// Collective: runs `step` on every rank and agrees on how it went.
template <class Step>
auto together(const comm::Communicator& comm, Step&& step) {
  using Result = std::invoke_result_t<Step>;
  std::exception_ptr error;
  if constexpr (std::is_void_v<Result>) {
    try {
      step();
    } catch (...) {
      error = std::current_exception();
    }
    agree(comm, error);
  } else {
    std::optional<Result> result;
    try {
      result.emplace(step());
    } catch (...) {
      error = std::current_exception();
    }
    agree(comm, error);
    return std::move(*result);
  }
}

}  // namespace pipespec::app
