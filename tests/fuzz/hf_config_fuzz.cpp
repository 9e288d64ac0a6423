/// Reader of config.json: sizes, rotary positions, keys that are not known.
#include "fuzz/fuzz_target.hpp"
#include "io/json_file.hpp"
#include "model/hf_config.hpp"

using namespace pipespec;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  testing::read_or_refuse_in_one_line([&] {
    const auto config = io::parse_json(testing::text_of(data, size), "config.json");
    model::weight_type_of(config);
    model::architecture_of(config, "config.json");
  });
  return 0;
}
