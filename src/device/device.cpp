#include "device/device.hpp"

#include <fstream>

namespace pipespec::device {
namespace {

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const auto colon = line.find(':');
    if (line.starts_with("model name") && colon != std::string::npos && colon + 2 < line.size())
      return line.substr(colon + 2);
  }
  return "unnamed processor";
}

}  // namespace

Device Device::host() {
  return {Backend::host, processor_name()};
}

Stream::Stream(Device device, int threads) : device_(std::move(device)), pool_(std::make_unique<ThreadPool>(threads)) {}

void Stream::set_threads(int threads) {
  if (threads != pool_->threads()) pool_ = std::make_unique<ThreadPool>(threads);
}

std::span<std::byte> Stream::scratch(std::size_t bytes) {
  if (scratch_.size() < bytes) scratch_ = Buffer<std::byte>(bytes);
  return scratch_.span().first(bytes);
}

}  // namespace pipespec::device
