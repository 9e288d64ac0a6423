/// SmolLM2-135M against Hugging Face transformers (data/README.md). Skipped where the model file is absent.
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "model/golden_file.hpp"
#include "model/model_fixture.hpp"
#include "model/transformer.hpp"

namespace pipespec::model {
namespace {

const std::filesystem::path data = std::filesystem::path(PIPESPEC_SOURCE_DIR) / "tests/model/data/smollm2_135m_q4_1";
constexpr std::size_t listed = 16;  // logits stored at each position
constexpr double clear_margin = 1e-3;

std::filesystem::path model_path() {
  if (const char* path = std::getenv("PIPESPEC_SMOLLM2")) return path;
  return std::filesystem::path(PIPESPEC_SOURCE_DIR) / "models/SmolLM2-135M-Instruct.Q4_1.gguf";
}

/// One prompt with its greedy continuation, and what the reference computed.
struct Golden {
  std::size_t prompt_length = 0;
  std::vector<Token> ids;         // [length]
  std::vector<Token> top_ids;     // [length][listed], from the largest logit down
  std::vector<float> top_logits;  // [length][listed]
  bool is_clear(std::size_t position) const {
    return top_logits[position * listed] - top_logits[position * listed + 1] >= clear_margin;
  }
};

std::vector<Golden> read_golden() {
  const testing::GoldenFile file(data / "expected.safetensors");
  std::ifstream prompts_in(data / "prompts.json");
  const auto prompts = nlohmann::json::parse(prompts_in);
  std::vector<Golden> all;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const std::string prefix = std::to_string(i) + ".";
    all.push_back({prompts[i].at("prompt_length"), file.tensor<Token>(prefix + "ids"),
                   file.tensor<Token>(prefix + "top16_ids"), file.tensor<float>(prefix + "top16_logits")});
  }
  return all;
}

struct Case {
  const char* name;
  WeightFormat format;
  int ranks;
  double largest_error;
  std::optional<ops::KvType> kv_cache = {};
};

class GoldenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(model_path()))
      GTEST_SKIP() << "no " << model_path() << " (set PIPESPEC_SMOLLM2): see the README for how to get it";
  }
};

class GoldenLogits : public GoldenTest, public ::testing::WithParamInterface<Case> {};

/// The parameter: how many ranks share the model.
class GoldenTokens : public GoldenTest, public ::testing::WithParamInterface<int> {};

/// The logits at the listed ids, [length][listed].
std::vector<float> at_listed_ids(const std::vector<float>& logits, const Golden& golden) {
  const std::size_t vocabulary = logits.size() / golden.ids.size();
  std::vector<float> found(golden.top_ids.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    found[i] = logits[i / listed * vocabulary + static_cast<std::size_t>(golden.top_ids[i])];
  return found;
}

TEST_P(GoldenLogits, AreCloseToTheReferences) {
  const auto golden = read_golden();
  const auto checkpoint = Checkpoint::open(model_path());
  const ModelOptions options{.weights = GetParam().format, .kv_cache = GetParam().kv_cache, .context = 512};
  testing::run_ranks(GetParam().ranks, [&](comm::Group& group) {
    Transformer transformer(checkpoint, options, &group);
    for (std::size_t prompt = 0; prompt < golden.size(); ++prompt) {
      const Golden& g = golden[prompt];
      transformer.truncate(0, 0);
      const auto found = at_listed_ids(testing::logits(transformer, g.ids), g);
      const double error = testing::relative_error(found, g.top_logits);
      EXPECT_LT(error, GetParam().largest_error) << "prompt " << prompt;
      if (group.rank() == 0) RecordProperty("relative_error_" + std::to_string(prompt), std::to_string(error));
    }
  });
}

TEST_P(GoldenTokens, AreTheReferencesWhereItsMarginIsClear) {
  const auto golden = read_golden();
  const auto checkpoint = Checkpoint::open(model_path());
  testing::run_ranks(GetParam(), [&](comm::Group& group) {
    Transformer transformer(checkpoint, {.weights = WeightFormat::f32, .context = 512}, &group);
    for (std::size_t prompt = 0; prompt < golden.size(); ++prompt) {
      const Golden& g = golden[prompt];
      transformer.truncate(0, 0);
      std::vector<Token> next(g.ids.size());
      const Segment segment{0, 0, g.ids, static_cast<int>(g.ids.size())};
      transformer.forward({&segment, 1}, next);
      for (std::size_t p = 0; p < next.size(); ++p)
        EXPECT_TRUE(next[p] == g.top_ids[p * listed] || !g.is_clear(p)) << "prompt " << prompt << ", position " << p;
    }
  });
}

TEST_P(GoldenTokens, GreedyDecodingWritesTheReferencesText) {
  const auto golden = read_golden();
  const auto checkpoint = Checkpoint::open(model_path());
  testing::run_ranks(GetParam(), [&](comm::Group& group) {
    Transformer transformer(checkpoint, {.weights = WeightFormat::f32, .context = 512}, &group);
    for (std::size_t prompt = 0; prompt < golden.size(); ++prompt) {
      const Golden& g = golden[prompt];
      transformer.truncate(0, 0);
      std::vector<Token> fed(g.ids.begin(), g.ids.begin() + static_cast<std::ptrdiff_t>(g.prompt_length));
      for (std::size_t p = g.prompt_length; p < g.ids.size() && g.is_clear(p - 1); ++p) {
        std::array<Token, 1> next;
        const Segment segment{0, transformer.length(0), fed, 1};
        transformer.forward({&segment, 1}, next);
        ASSERT_EQ(next[0], g.ids[p]) << "prompt " << prompt << ", position " << p;
        fed = {next[0]};
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(
    SmolLm2, GoldenLogits,
    ::testing::Values(Case{"f32", WeightFormat::f32, 1, 1e-4}, Case{"bf16", WeightFormat::bf16, 1, 5e-3},
                      Case{"native", WeightFormat::native, 1, 1.5e-2},
                      Case{"native_with_f16_keys", WeightFormat::native, 1, 1.5e-2, ops::KvType::f16},
                      Case{"f32_with_int8_keys", WeightFormat::f32, 1, 1e-2, ops::KvType::int8},
                      Case{"f32_on_2_ranks", WeightFormat::f32, 2, 1e-4},
                      Case{"bf16_on_2_ranks", WeightFormat::bf16, 2, 5e-3},
                      Case{"native_on_2_ranks", WeightFormat::native, 2, 1.5e-2}),
    [](const auto& instance) { return std::string(instance.param.name); });

INSTANTIATE_TEST_SUITE_P(SmolLm2, GoldenTokens, ::testing::Values(1, 2),
                         [](const auto& instance) { return std::to_string(instance.param) + "_ranks"; });

}  // namespace
}  // namespace pipespec::model
