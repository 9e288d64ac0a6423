/// Reader of SentencePiece models (tokenizer.model).
#include "fuzz/fuzz_target.hpp"
#include "fuzz/round_trip.hpp"
#include "text/sentencepiece_tokenizer.hpp"

using namespace pipespec;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  testing::read_or_refuse_in_one_line([&] {
    testing::round_trip(text::SentencePieceTokenizer({"tokenizer.model", testing::text_of(data, size), {}, ""}));
  });
  return 0;
}
