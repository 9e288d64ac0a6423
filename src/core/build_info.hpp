/// What this executable was built from.
#pragma once

#include <string_view>

namespace pipespec::build_info {

std::string_view version();     ///< of the application, "0.1.0"
std::string_view revision();    ///< git revision at build time, with "-dirty" where the tree was changed
std::string_view build_type();  ///< CMake's build type
std::string_view sanitizers();  ///< as -fsanitize takes them; empty: none
std::string_view compiler();    ///< name and version

}  // namespace pipespec::build_info
