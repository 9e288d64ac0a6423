#include "io/file_hash.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

#include "core/error.hpp"
#include "io/mapped_file.hpp"

namespace pipespec::io {

std::string sha256_of_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  std::array<unsigned char, 32> digest{};
  unsigned int length = 0;
  const int done = EVP_Digest(file.bytes().data(), file.bytes().size(), digest.data(), &length, EVP_sha256(), nullptr);
  expect(done == 1 && length == digest.size(), "libcrypto computes SHA-256");
  std::string hexadecimal;
  for (const unsigned char byte : digest) hexadecimal += fmt::format("{:02x}", byte);
  return hexadecimal;
}

}  // namespace pipespec::io
