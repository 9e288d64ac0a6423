#include "app/host_energy.hpp"

#include <gtest/gtest.h>

#include <string>

#include "support/scratch_directory.hpp"

namespace pipespec::app {
namespace {

using pipespec::testing::ScratchDirectory;

/// Power zones as Linux shows them, in a folder of the test's own.
class Zones {
 public:
  void set(const std::string& zone, const std::string& name, std::int64_t microjoules) {
    std::filesystem::create_directories(scratch_.path() / zone);
    scratch_.write(zone + "/name", name + "\n");
    scratch_.write(zone + "/energy_uj", std::to_string(microjoules) + "\n");
    scratch_.write(zone + "/max_energy_range_uj", "1000000000\n");
  }
  const std::filesystem::path& path() const { return scratch_.path(); }

 private:
  ScratchDirectory scratch_;
};

TEST(HostEnergy, IsUnknownWhereThereAreNoCounters) {
  const Zones zones;
  EXPECT_FALSE(HostEnergy(zones.path()).joules());
  EXPECT_FALSE(HostEnergy(zones.path() / "none").joules());
}

TEST(HostEnergy, IsThatOfAllPackagesAndTheirMemorySinceTheStart) {
  Zones zones;
  zones.set("intel-rapl:0", "package-0", 7'000'000);
  zones.set("intel-rapl:1", "package-1", 100);
  zones.set("intel-rapl:1:1", "dram", 0);
  HostEnergy energy(zones.path());
  EXPECT_EQ(energy.joules(), 0.0);
  zones.set("intel-rapl:0", "package-0", 9'000'000);
  zones.set("intel-rapl:1", "package-1", 500'100);
  zones.set("intel-rapl:1:1", "dram", 250'000);
  EXPECT_DOUBLE_EQ(energy.joules().value(), 2.75);
  EXPECT_DOUBLE_EQ(energy.joules().value(), 2.75);
}

TEST(HostEnergy, CountsNothingTwice) {
  Zones zones;
  zones.set("intel-rapl:0", "package-0", 0);
  zones.set("intel-rapl:0:0", "core", 0);          // a part of its package
  zones.set("intel-rapl:1", "psys", 0);            // the whole machine
  zones.set("intel-rapl-mmio:0", "package-0", 0);  // the same package by another way
  HostEnergy energy(zones.path());
  zones.set("intel-rapl:0", "package-0", 1'000'000);
  zones.set("intel-rapl:0:0", "core", 900'000);
  zones.set("intel-rapl:1", "psys", 5'000'000);
  zones.set("intel-rapl-mmio:0", "package-0", 1'000'000);
  EXPECT_DOUBLE_EQ(energy.joules().value(), 1.0);
}

TEST(HostEnergy, GoesOnWhenACounterTurnsOver) {
  Zones zones;
  zones.set("intel-rapl:0", "package-0", 999'000'000);
  HostEnergy energy(zones.path());
  zones.set("intel-rapl:0", "package-0", 1'000'000);
  EXPECT_DOUBLE_EQ(energy.joules().value(), 2.0);
}

}  // namespace
}  // namespace pipespec::app
