/// What every fuzz target asks of a reader of foreign files: it reads its input or refuses it in one line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

#include "core/error.hpp"

/// One input for the reader under test, as libFuzzer calls it (https://llvm.org/docs/LibFuzzer.html). Returns 0.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace pipespec::testing {

/// An input as readers take it.
inline std::span<const std::byte> bytes_of(const std::uint8_t* data, std::size_t size) {
  return std::as_bytes(std::span(data, size));
}
inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Calls `read`. A UserError of one line is an answer; one that would break a terminal's line ends the process, and
/// anything else that is thrown does so by not being caught.
template <class Read>
void read_or_refuse_in_one_line(Read read) {
  try {
    read();
  } catch (const UserError& refusal) {
    for (const char character : std::string_view(refusal.what())) {
      if (static_cast<unsigned char>(character) >= ' ') continue;
      std::fprintf(stderr, "a refusal is not one line: %s\n", refusal.what());
      std::abort();
    }
  }
}

/// Reads every one of `bytes`, so that AddressSanitizer sees where they lie.
inline void touch(std::span<const std::byte> bytes) {
  volatile unsigned sum = 0;
  for (const std::byte byte : bytes) sum = sum + std::to_integer<unsigned>(byte);
}

}  // namespace pipespec::testing
