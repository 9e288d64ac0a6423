/// The safetensors files that hold what other implementations computed.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "io/mapped_file.hpp"
#include "io/safetensors_parser.hpp"

namespace pipespec::testing {

class GoldenFile {
 public:
  explicit GoldenFile(const std::filesystem::path& path)
      : file_(path), tensors_(io::parse_safetensors(file_.bytes(), path.string())) {}

  template <class T>
  std::vector<T> tensor(const std::string& name) const {
    for (const io::SafetensorsTensor& tensor : tensors_) {
      if (tensor.name != name) continue;
      std::vector<T> values(tensor.bytes.size() / sizeof(T));
      std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
      return values;
    }
    ADD_FAILURE() << "no tensor " << name;
    return {};
  }

 private:
  io::MappedFile file_;
  std::vector<io::SafetensorsTensor> tensors_;
};

}  // namespace pipespec::testing
