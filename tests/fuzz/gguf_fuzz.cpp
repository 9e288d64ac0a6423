/// Reader of GGUF files: metadata and tensor table, the architecture and the tokenizer that they describe.
#include <memory>

#include "fuzz/fuzz_target.hpp"
#include "fuzz/round_trip.hpp"
#include "io/gguf.hpp"
#include "model/gguf_checkpoint.hpp"
#include "text/gguf_tokenizer.hpp"

using namespace pipespec;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  testing::read_or_refuse_in_one_line([&] {
    const auto file = std::make_shared<const io::GgufFile>(testing::bytes_of(data, size), "model.gguf");
    for (const io::GgufValue& value : file->metadata()) testing::touch(value.bytes);
    for (const io::GgufTensor& tensor : file->tensors()) testing::touch(tensor.bytes);
    testing::read_or_refuse_in_one_line([&] { model::open_gguf_checkpoint(file); });
    testing::read_or_refuse_in_one_line([&] { testing::round_trip(*text::make_tokenizer(*file)); });
  });
  return 0;
}
