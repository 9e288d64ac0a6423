#include "io/file_hash.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <span>

#include "core/error.hpp"
#include "io/gguf_split.hpp"
#include "io/mapped_file.hpp"

namespace pipespec::io {

namespace {

/// SHA-256 of bytes that come in pieces.
class Sha256 {
 public:
  Sha256() {
    expect(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1, "libcrypto has SHA-256");
  }

  void add(std::span<const std::byte> bytes) {
    expect(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1, "libcrypto computes SHA-256");
  }

  std::string hexadecimal() {
    std::array<unsigned char, 32> digest{};
    unsigned int length = 0;
    const int done = EVP_DigestFinal_ex(context_.get(), digest.data(), &length);
    expect(done == 1 && length == digest.size(), "libcrypto computes SHA-256");
    std::string text;
    for (const unsigned char byte : digest) text += fmt::format("{:02x}", byte);
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
};

/// Of a file, which may be larger than the memory: what has been read is given back.
std::string sha256_of_file(const std::filesystem::path& path) {
  constexpr std::size_t piece = std::size_t{4} << 20;
  Sha256 hash;
  std::error_code none;
  if (std::filesystem::file_size(path, none) == 0) return hash.hexadecimal();  // nothing to map
  const MappedFile file(path);
  for (std::span<const std::byte> left = file.bytes(); !left.empty();) {
    const auto next = left.first(std::min(piece, left.size()));
    hash.add(next);
    release_pages(next);
    left = left.subspan(next.size());
  }
  return hash.hexadecimal();
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
    if (parts.size() == 1) return sha256_of_file(path);
    files.insert(parts.begin(), parts.end());
  }
  Sha256 lines;
  for (const std::filesystem::path& file : files) {
    const std::string line = fmt::format("{}  {}\n", sha256_of_file(file), file.filename().string());
    lines.add(std::as_bytes(std::span(line)));
  }
  return lines.hexadecimal();
}

}  // namespace pipespec::io
