/// Reader of tokenizer.json: vocabulary, merges, added tokens, regular expressions of the pre-tokenizer.
#include "fuzz/fuzz_target.hpp"
#include "fuzz/round_trip.hpp"
#include "io/json_file.hpp"
#include "text/tokenizer_json.hpp"

using namespace pipespec;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  testing::read_or_refuse_in_one_line([&] {
    const auto root = io::parse_json(testing::text_of(data, size), "tokenizer.json");
    if (text::is_bpe(root)) testing::round_trip(*text::make_bpe_tokenizer(root, "tokenizer.json", {}));
  });
  return 0;
}
