#include "device/buffer.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "core/error.hpp"

namespace pipespec::device {
namespace {

constexpr std::size_t cache_line = 64;
constexpr std::size_t huge_page = std::size_t{2} << 20;

}  // namespace

void* allocate_aligned(std::size_t bytes) {
  const std::size_t alignment = bytes >= huge_page ? huge_page : cache_line;
  const std::size_t padded = (bytes + cache_line - 1) / cache_line * cache_line;
  void* memory = std::aligned_alloc(alignment, (padded + alignment - 1) / alignment * alignment);
  if (memory == nullptr)
    throw Failure(
        fmt::format("no memory for {} MiB (asked of the system): use a smaller model or context", bytes >> 20));
  if (alignment == huge_page) madvise(memory, padded, MADV_HUGEPAGE);  // advice: failure costs speed alone
  std::memset(memory, 0, padded);
  return memory;
}

void release_aligned(void* memory) noexcept {
  std::free(memory);
}

}  // namespace pipespec::device
