// These tests wait for the disk thousands of times; where there is a file system in memory, their files go there.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace {

class InMemory : public ::testing::Environment {
  void SetUp() override {
    if (std::filesystem::is_directory("/dev/shm")) ::setenv("TMPDIR", "/dev/shm", 1);
  }
};

const auto* const in_memory = ::testing::AddGlobalTestEnvironment(new InMemory);

}  // namespace
