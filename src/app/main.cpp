/// The one place where errors end up and become an exit status.
#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "app/agreement.hpp"
#include "app/command_line.hpp"
#include "app/exit_status.hpp"
#include "comm/session.hpp"
#include "core/error.hpp"
#include "core/log.hpp"

namespace {

using namespace pipespec;

/// An error that this rank has met alone: the others may be waiting for it, so they are ended.
int fail(const std::exception& error, int status) {
  if (comm::Session::is_initialised()) {
    log::error("{}", error.what());  // with the rank in front
    comm::Session::abort(status);
  }
  fmt::print(stderr, "pipespec: {}\n", error.what());
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return app::run_command_line(argc, argv);
  } catch (const app::AgreedError& error) {
    if (!error.message.empty()) fmt::print(stderr, "pipespec: {}\n", error.message);
    std::fflush(stderr);
    comm::Session::finalise();
    return error.status;
  } catch (const UserError& error) {
    return fail(error, app::exit_wrong_request);
  } catch (const std::exception& error) {
    return fail(error, app::exit_failure);
  }
}
