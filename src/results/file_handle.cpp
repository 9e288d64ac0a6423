#include "results/file_handle.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.hpp"
#include "core/log.hpp"

namespace pipespec::results {

FileHandle::~FileHandle() {
  if (is_open() && ::close(descriptor_) != 0) log::warn("closing a file failed ({})", std::strerror(errno));
}

bool try_lock(const FileHandle& file, const std::filesystem::path& path) {
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  log::warn("{}: cannot be locked ({}): make sure that no other job writes to it", path.string(), std::strerror(errno));
  return true;
}

bool write_all(const FileHandle& file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

void sync_directory(const std::filesystem::path& directory) {
  const FileHandle file(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file.is_open() || ::fsync(file.get()) != 0)
    throw Failure(fmt::format("{}: cannot be synced to the disk ({})", directory.string(), std::strerror(errno)));
}

}  // namespace pipespec::results
