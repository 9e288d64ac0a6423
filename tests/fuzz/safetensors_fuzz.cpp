/// Reader of safetensors files: lengths, header, shapes, offsets.
#include "fuzz/fuzz_target.hpp"
#include "io/safetensors_parser.hpp"

using namespace pipespec;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  testing::read_or_refuse_in_one_line([&] {
    for (const auto& tensor : io::parse_safetensors(testing::bytes_of(data, size), "model.safetensors"))
      testing::touch(tensor.bytes);
  });
  return 0;
}
