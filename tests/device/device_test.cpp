#include "device/device.hpp"

#include <gmock/gmock.h>

#include "device/cuda_info.hpp"

namespace pipespec::device {
namespace {

bool is_aligned(const void* memory, std::size_t alignment) {
  return reinterpret_cast<std::uintptr_t>(memory) % alignment == 0;
}

TEST(Buffer, IsZeroedAndAlignedForVectors) {
  for (const std::size_t size : {1u, 63u, 1000u, 3u << 20}) {
    const Buffer<char> buffer(size);
    EXPECT_TRUE(is_aligned(buffer.data(), 64)) << size;
    EXPECT_THAT(buffer.span(), ::testing::Each(0)) << size;
  }
}

TEST(Buffer, LargeOnesStartOnAHugePage) {
  EXPECT_TRUE(is_aligned(Buffer<char>(5u << 20).data(), 2u << 20));
}

TEST(Buffer, MovingHandsTheMemoryOver) {
  Buffer<int> from(3);
  from[2] = 7;
  const int* memory = from.data();
  Buffer<int> to = std::move(from);
  EXPECT_EQ(to.data(), memory);
  EXPECT_EQ(to[2], 7);
  EXPECT_EQ(from.size(), 0u);  // NOLINT: what is left of it is what we test
}

TEST(Buffer, AnEmptyOneHoldsNothing) {
  EXPECT_EQ(Buffer<int>().span().size(), 0u);
  EXPECT_EQ(Buffer<int>(0).data(), nullptr);
}

TEST(Stream, ScratchGrowsOnceAndStays) {
  Stream stream(Device::host(), 2);
  const std::byte* large = stream.scratch(1 << 16).data();
  EXPECT_TRUE(is_aligned(large, 64));
  EXPECT_EQ(stream.scratch(100).data(), large);
  EXPECT_EQ(stream.scratch(1 << 16).size(), std::size_t{1} << 16);
  EXPECT_EQ(stream.scratch(1 << 16).data(), large);
}

TEST(Stream, HasTheThreadsAskedFor) {
  EXPECT_EQ(Stream(Device::host(), 3).pool().threads(), 3);
}

TEST(Event, WorkOfTheHostIsDoneWhenItIsRecorded) {
  Stream stream(Device::host());
  Event event;
  event.record(stream);
  event.synchronize();
  EXPECT_TRUE(event.query());
}

TEST(Device, TheHostHasAName) {
  EXPECT_EQ(Device::host().backend(), Backend::host);
  EXPECT_THAT(Device::host().name(), ::testing::Not(::testing::IsEmpty()));
}

TEST(CudaInfo, SaysWhatIsThereOrThatItWasLeftOut) {
  EXPECT_THAT(cuda_description(), ::testing::AnyOf(::testing::StartsWith("CUDA "), ::testing::StartsWith("left out")));
}

}  // namespace
}  // namespace pipespec::device
