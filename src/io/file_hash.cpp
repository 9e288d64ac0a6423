#include "io/file_hash.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <set>
#include <span>

#include "core/error.hpp"
#include "io/gguf_split.hpp"
#include "io/mapped_file.hpp"

namespace pipespec::io {

namespace {

std::string sha256(std::span<const std::byte> bytes) {
  std::array<unsigned char, 32> digest{};
  unsigned int length = 0;
  const int done = EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr);
  expect(done == 1 && length == digest.size(), "libcrypto computes SHA-256");
  std::string hexadecimal;
  for (const unsigned char byte : digest) hexadecimal += fmt::format("{:02x}", byte);
  return hexadecimal;
}

std::string sha256_of_one(const std::filesystem::path& file) {
  std::error_code none;
  const bool is_empty = std::filesystem::file_size(file, none) == 0;  // nothing to map
  return sha256(is_empty ? std::span<const std::byte>() : MappedFile(file).bytes());
}

}  // namespace

std::string sha256_of(const std::filesystem::path& path) {
  std::set<std::filesystem::path> files;
  if (std::filesystem::is_directory(path)) {
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      if (entry.is_regular_file()) files.insert(entry.path());
    }
  } else {
    const auto parts = gguf_parts(path);
    if (parts.size() == 1) return sha256(MappedFile(path).bytes());
    files.insert(parts.begin(), parts.end());
  }
  std::string lines;
  for (const std::filesystem::path& file : files) {
    lines += fmt::format("{}  {}\n", sha256_of_one(file), file.filename().string());
  }
  return sha256(std::as_bytes(std::span(lines)));
}

}  // namespace pipespec::io
