// These tests wait for the disk thousands of times; where there is a file system in memory, their files go there.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

namespace {

class InMemory : public ::testing::Environment {
  void SetUp() override {
    if (::access("/dev/shm", W_OK) == 0) ::setenv("TMPDIR", "/dev/shm", 1);
  }
};

const auto* const in_memory = ::testing::AddGlobalTestEnvironment(new InMemory);

}  // namespace
