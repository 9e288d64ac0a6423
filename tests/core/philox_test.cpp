// Philox4x32-10 against the known answers of its authors' Random123 library (kat_vectors).
#include "core/philox.hpp"

#include <gmock/gmock.h>

namespace pipespec {
namespace {

using ::testing::ElementsAre;

std::vector<std::uint32_t> words(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d,
                                 std::uint64_t key) {
  std::uint32_t counter[4][1] = {{a}, {b}, {c}, {d}};
  philox4x32(counter, key);
  return {counter[0][0], counter[1][0], counter[2][0], counter[3][0]};
}

TEST(Philox, gives_the_known_answers) {
  EXPECT_THAT(words(0, 0, 0, 0, 0), ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  EXPECT_THAT(words(~0u, ~0u, ~0u, ~0u, ~0ull), ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(words(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0x299f31d0a4093822),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(Philox, lanes_do_not_touch_one_another) {
  std::uint32_t counter[4][16];
  for (std::uint32_t i = 0; i < 16; ++i)
    for (std::uint32_t w = 0; w < 4; ++w) counter[w][i] = i * 7 + w;
  philox4x32(counter, 42);
  for (std::uint32_t i = 0; i < 16; ++i)
    EXPECT_THAT(words(i * 7, i * 7 + 1, i * 7 + 2, i * 7 + 3, 42),
                ElementsAre(counter[0][i], counter[1][i], counter[2][i], counter[3][i]));
}

}  // namespace
}  // namespace pipespec
