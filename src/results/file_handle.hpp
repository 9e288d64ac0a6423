/// A POSIX file descriptor that closes itself, and the few durable operations the results need.
#pragma once

#include <filesystem>
#include <string_view>
#include <utility>

namespace pipespec::results {

/// Owns one descriptor. Move-only.
class FileHandle {
 public:
  FileHandle() = default;
  explicit FileHandle(int descriptor) : descriptor_(descriptor) {}
  FileHandle(FileHandle&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileHandle& operator=(FileHandle&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~FileHandle();

  int get() const { return descriptor_; }
  bool is_open() const { return descriptor_ >= 0; }

 private:
  int descriptor_ = -1;
};

/// Takes an exclusive lock without waiting; it ends with the descriptor. False: somebody else holds it. On file systems
/// without locks: true, with a warning.
bool try_lock(const FileHandle& file, const std::filesystem::path& path);

/// Writes everything, at the file's position. False with errno set if the system refuses; part may have been written.
bool write_all(const FileHandle& file, std::string_view bytes);

/// Waits until the entries of a directory are on the disk. Failure if they cannot be.
void sync_directory(const std::filesystem::path& directory);

}  // namespace pipespec::results
