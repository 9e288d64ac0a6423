/// A file mapped into memory for reading.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace pipespec::io {

/// A read-only view of a whole file. The kernel pages it in on first touch and shares the pages among the ranks of a
/// host. Owns the mapping: spans into it must not outlive it. Immutable, so safe to read from any thread. The file must
/// not be truncated by somebody else while it is mapped.
class MappedFile {
 public:
  /// Throws UserError where `path` is missing, unreadable, a directory or empty.
  explicit MappedFile(std::filesystem::path path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  const std::filesystem::path& path() const { return path_; }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
};

/// Takes the pages that hold `mapped`, bytes of a MappedFile, out of this process's memory. They stay valid: a touch
/// brings a page back, as a rule from the system's cache.
void release_pages(std::span<const std::byte> mapped);

}  // namespace pipespec::io
