/// Aligned memory for weights, caches and activations.
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

namespace pipespec::device {

/// Zeroed memory aligned for vector loads (64 bytes), or to huge pages with the advice to use them where it is large.
/// Throws Failure where there is not enough memory.
void* allocate_aligned(std::size_t bytes);
void release_aligned(void* memory) noexcept;

/// An owned array of trivial elements, zeroed, 64-byte aligned. Move-only.
template <class T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Buffer() = default;
  explicit Buffer(std::size_t size)
      : data_(size == 0 ? nullptr : static_cast<T*>(allocate_aligned(size * sizeof(T)))), size_(size) {}
  Buffer(Buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Buffer() { release_aligned(data_); }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  std::span<T> span() { return {data_, size_}; }
  std::span<const T> span() const { return {data_, size_}; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace pipespec::device
