#include "io/file_hash.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"
#include "support/scratch_directory.hpp"

namespace pipespec::io {
namespace {

// FIPS 180-4's example messages.
TEST(FileHash, IsSha256) {
  const testing::ScratchDirectory scratch;
  EXPECT_EQ(sha256_of(scratch.write("abc", "abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_of(scratch.write("million", std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// (cd FOLDER && sha256sum * | sha256sum)
TEST(FileHash, OfAFolderIsThatOfItsFiles) {
  const testing::ScratchDirectory scratch;
  scratch.write("b", "");
  scratch.write("a", "abc");
  EXPECT_EQ(sha256_of(scratch.path()), "09c7e0b8a02d027d95ec0375a600ed4ad4d6b26a1c93f16d9150cab5fec761a6");
}

TEST(FileHash, RefusesAMissingFile) {
  EXPECT_THROW(sha256_of("no/such/file"), UserError);
}

}  // namespace
}  // namespace pipespec::io
