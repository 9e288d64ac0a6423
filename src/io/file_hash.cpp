#include "io/file_hash.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <set>
#include <span>

#include "core/error.hpp"
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

}  // namespace

std::string sha256_of(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return sha256(MappedFile(path).bytes());
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (entry.is_regular_file()) names.insert(entry.path().filename().string());
  }
  std::string lines;
  for (const std::string& name : names) {
    const bool is_empty = std::filesystem::file_size(path / name) == 0;  // nothing to map
    lines += fmt::format("{}  {}\n", is_empty ? sha256({}) : sha256_of(path / name), name);
  }
  return sha256(std::as_bytes(std::span(lines)));
}

}  // namespace pipespec::io
