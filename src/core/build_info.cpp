#include "core/build_info.hpp"

#include "core/revision.hpp"

namespace pipespec::build_info {

std::string_view version() {
  return PIPESPEC_VERSION;
}
std::string_view revision() {
  return PIPESPEC_REVISION;
}
std::string_view build_type() {
  return PIPESPEC_BUILD_TYPE;
}
std::string_view sanitizers() {
  return PIPESPEC_SANITIZE;
}
std::string_view compiler() {
#ifdef __clang__
  return "clang " __clang_version__;
#else
  return "gcc " __VERSION__;
#endif
}

}  // namespace pipespec::build_info
