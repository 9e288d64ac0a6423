/// Checkpoints as Hugging Face writes them, against transformers (data/README.md).
#include <gmock/gmock.h>

#include <string>

#include "model/golden_file.hpp"
#include "model/model_fixture.hpp"
#include "model/transformer.hpp"

namespace pipespec::model {
namespace {

constexpr double clear_margin = 1e-3;

struct Case {
  const char* name;
  int ranks;
};

class HfGolden : public ::testing::TestWithParam<Case> {
 protected:
  std::filesystem::path folder() const {
    return std::filesystem::path(PIPESPEC_SOURCE_DIR) / "tests/model/data" / GetParam().name;
  }
  testing::GoldenFile expected() const { return testing::GoldenFile(folder() / "expected.safetensors"); }

  /// Calls `body` with the model in f32 on every rank.
  template <class Body>
  void on_every_rank(Body body) const {
    const auto checkpoint = Checkpoint::open(folder());
    testing::run_ranks(GetParam().ranks, [&](comm::Group& group) {
      Transformer transformer(checkpoint, {.weights = WeightFormat::f32}, &group);
      body(transformer);
    });
  }
};

TEST_P(HfGolden, LogitsAreTheReferences) {
  const auto ids = expected().tensor<Token>("input_ids");
  const auto logits = expected().tensor<float>("logits");
  on_every_rank([&](Transformer& transformer) {
    const double error = testing::relative_error(testing::logits(transformer, ids), logits);
    EXPECT_LT(error, 1e-4);
    RecordProperty("relative_error", std::to_string(error));
  });
}

TEST_P(HfGolden, GreedyTokensAreTheReferencesWhereItsMarginIsClear) {
  const auto ids = expected().tensor<Token>("greedy_ids");
  const auto margin = expected().tensor<float>("greedy_margin");
  const auto prompt_length = static_cast<std::size_t>(expected().tensor<std::int32_t>("greedy_prompt_length").at(0));
  ASSERT_EQ(ids.size(), prompt_length + margin.size());
  on_every_rank([&](Transformer& transformer) {
    std::vector<Token> fed(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(prompt_length));
    for (std::size_t i = 0; i < margin.size() && margin[i] > clear_margin; ++i) {
      std::array<Token, 1> next;
      const Segment segment{0, transformer.length(0), fed, 1};
      transformer.forward({&segment, 1}, next);
      ASSERT_EQ(next[0], ids[prompt_length + i]) << "token " << i;
      fed = {next[0]};
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, HfGolden,
                         ::testing::Values(Case{"llama2_tiny", 1}, Case{"llama2_tiny", 2}, Case{"llama3_tiny", 1},
                                           Case{"llama3_tiny", 2}, Case{"llama3_wide_head", 1},
                                           Case{"llama3_wide_head", 2}, Case{"qwen2_tiny", 1}, Case{"qwen2_tiny", 2},
                                           Case{"qwen3_tiny", 1}, Case{"qwen3_tiny", 2}),
                         [](const auto& instance) {
                           return std::string(instance.param.name) + "_on_" + std::to_string(instance.param.ranks);
                         });

}  // namespace
}  // namespace pipespec::model
