/// Errors: what a user can mend (`UserError`), what went wrong while running (`Failure`) and what is a bug of ours
/// (`ContractError`). `main` is the one place that catches them and turns them into an exit status.
#pragma once

#include <fmt/format.h>

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

namespace pipespec {

/// The request is wrong: bad configuration, file or argument. One line, `problem (why): suggestion`. Exit status 2.
class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The run failed: disk, network, another rank. One line. Exit status 1.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The program broke a promise it makes to itself. Exit status 1.
class ContractError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// Throws UserError with the formatted message unless `condition` holds.
template <class... Args>
void validate(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) throw UserError(fmt::format(format, std::forward<Args>(args)...));
}

/// Throws UserError with the formatted message.
template <class... Args>
[[noreturn]] void reject(fmt::format_string<Args...> format, Args&&... args) {
  throw UserError(fmt::format(format, std::forward<Args>(args)...));
}

/// Throws ContractError naming `what` and the caller's place unless `condition` holds. On in every build type.
inline void expect(bool condition, std::string_view what,
                   const std::source_location& where = std::source_location::current()) {
  if (!condition) [[unlikely]]
    throw ContractError(fmt::format("broken contract: {} ({}:{})", what, where.file_name(), where.line()));
}

}  // namespace pipespec
