#include "comm/mpi_call.hpp"

#include <array>
#include <string_view>

#include "core/error.hpp"

namespace pipespec::comm {

void check_mpi_call(int code, const char* expression, const std::source_location& where) {
  if (code == MPI_SUCCESS) [[likely]]
    return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw Failure(fmt::format("{} failed ({}; {}:{})", expression, std::string_view(text.data(), length),
                            where.file_name(), where.line()));
}

}  // namespace pipespec::comm
