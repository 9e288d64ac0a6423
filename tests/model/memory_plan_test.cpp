#include "model/memory_plan.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"
#include "model/model_fixture.hpp"

namespace pipespec::model {
namespace {

using io::GgmlType;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const testing::TinyModel shape{.layers = 4, .heads = 6, .kv_heads = 3, .feed_forward = 160, .type = GgmlType::q4_1};

TEST(MemoryPlan, WeightsAreWhatTheTransformerPacks) {
  for (const GgmlType type : {GgmlType::q4_1, GgmlType::q4_k, GgmlType::q6_k}) {
    const testing::TinyModel model = testing::with_type(shape, type);
    const auto checkpoint = testing::open(testing::make_tiny_gguf(model));
    const std::int64_t norms = 4 * (2 * 3 + 1) * model.width;
    for (const WeightFormat format : {WeightFormat::native, WeightFormat::bf16, WeightFormat::f32})
      testing::run_ranks(3, [&](comm::Group& group) {
        for (const std::vector<Token>& draft :
             {std::vector<Token>(),
              {2,   3,   5,   7,   11,  100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111,
               112, 113, 200, 299, 300, 301, 302, 303, 304, 305, 306, 307, 308, 309, 310, 311, 312}}) {
          const ModelOptions options{.weights = format, .layers = {0, 1, 3}, .draft_vocabulary = draft};
          EXPECT_EQ(memory_plan(*checkpoint, options, {group.rank(), 3}).weights,
                    Transformer(checkpoint, options, &group).weight_bytes() + norms);
        }
      });
  }
}

TEST(MemoryPlan, TheCacheGrowsWithSlotsContextAndLayers) {
  const auto checkpoint = testing::open(testing::make_tiny_gguf(shape));
  const auto cache = [&](ModelOptions options) { return memory_plan(*checkpoint, options, {}).kv_cache; };
  const std::int64_t position = 2 * 3 * 16 * 2;  // keys and values of 3 heads of 16 halves
  const auto f16 = ops::KvType::f16;
  EXPECT_EQ(cache({.kv_cache = f16, .layers = {2}, .slots = 1, .context = 64}), 64 * position);
  EXPECT_EQ(cache({.kv_cache = f16, .layers = {2, 3}, .slots = 1, .context = 64}), 2 * 64 * position);
  EXPECT_EQ(cache({.kv_cache = f16, .slots = 5, .context = 128}), 5 * 4 * 128 * position);
  EXPECT_EQ(cache({.kv_cache = f16}), 4 * shape.context * position);
  EXPECT_EQ(cache({.kv_cache = ops::KvType::f32}), 4 * shape.context * position * 2);
}

TEST(MemoryPlan, TheCacheGoesWithTheWeightsUnlessToldOtherwise) {
  const auto beside = [](io::GgmlType type, WeightFormat format) {
    return kv_type_beside(*testing::open(testing::make_tiny_gguf({.type = type})), format);
  };
  EXPECT_EQ(beside(io::GgmlType::q4_1, WeightFormat::native), ops::KvType::int8);
  EXPECT_EQ(beside(io::GgmlType::q4_1, WeightFormat::bf16), ops::KvType::f16);
  EXPECT_EQ(beside(io::GgmlType::q4_1, WeightFormat::f32), ops::KvType::f32);
  EXPECT_EQ(beside(io::GgmlType::q5_0, WeightFormat::native), ops::KvType::f16) << "widened, as it has no kernel";
  EXPECT_EQ(beside(io::GgmlType::bf16, WeightFormat::native), ops::KvType::f16);
  EXPECT_EQ(beside(io::GgmlType::f32, WeightFormat::native), ops::KvType::f16);
  EXPECT_EQ(beside(io::GgmlType::f32, WeightFormat::int8), ops::KvType::int8);

  const auto checkpoint = testing::open(testing::make_tiny_gguf(shape));
  const auto cache = [&](ModelOptions options) { return memory_plan(*checkpoint, options, {}).kv_cache; };
  EXPECT_EQ(cache({}), cache({.kv_cache = ops::KvType::int8}));
  EXPECT_LT(cache({}), cache({.kv_cache = ops::KvType::f16}));
}

TEST(MemoryPlan, TellingProbabilitiesTakesWholeRowsOfLogits) {
  const auto checkpoint = testing::open(testing::make_tiny_gguf(shape));
  const auto workspace = [&](ModelOptions options, TensorParallel place) {
    return memory_plan(*checkpoint, options, place).workspace;
  };
  const std::int64_t logits = std::int64_t{16} * shape.vocabulary * 4;
  EXPECT_EQ(workspace({.tells_probabilities = true}, {}) - workspace({}, {}), logits);
  EXPECT_GT(workspace({.tells_probabilities = true}, {0, 2}) - workspace({}, {0, 2}), logits) << "and its own part";
}

TEST(MemoryPlan, ARankOfAGroupNeedsLessThanOneAlone) {
  const auto checkpoint = testing::open(testing::make_tiny_gguf(shape));
  const MemoryPlan alone = memory_plan(*checkpoint, {}, {});
  const MemoryPlan first = memory_plan(*checkpoint, {}, {0, 2}), second = memory_plan(*checkpoint, {}, {1, 2});
  EXPECT_EQ(first.kv_cache + second.kv_cache, alone.kv_cache);
  EXPECT_LT(first.workspace, alone.workspace);
  EXPECT_LT(second.total(), first.total()) << "the second rank has one of the three KV heads";
}

TEST(MemoryPlan, EveryRankHasTheWholeEmbeddingAsItIsStored) {
  const auto checkpoint = testing::open(testing::make_tiny_gguf(shape));
  const std::int64_t bytes = shape.vocabulary * (shape.width / 32) * 20;  // Q4_1: 32 weights in 20 bytes
  EXPECT_EQ(memory_plan(*checkpoint, {}, {}).embedding, bytes);
  EXPECT_EQ(memory_plan(*checkpoint, {.weights = WeightFormat::f32}, {1, 2}).embedding, bytes);
}

TEST(MemoryPlan, TheShapeAloneIsEnough) {
  const auto folder = std::filesystem::path(PIPESPEC_SOURCE_DIR) / "tests/model/data/llama2_tiny";
  const testing::ScratchDirectory scratch;
  std::filesystem::copy(folder / "config.json", scratch.path());
  const auto whole = Checkpoint::outline(folder), outline = Checkpoint::outline(scratch.path());
  EXPECT_TRUE(whole->has_weights());
  EXPECT_FALSE(outline->has_weights());
  for (const TensorParallel place : {TensorParallel{0, 1}, TensorParallel{1, 2}}) {
    const MemoryPlan expected = memory_plan(*whole, {}, place), found = memory_plan(*outline, {}, place);
    EXPECT_EQ(found.weights, expected.weights);
    EXPECT_EQ(found.embedding, expected.embedding);
    EXPECT_EQ(found.kv_cache, expected.kv_cache);
    EXPECT_EQ(found.workspace, expected.workspace);
  }
  EXPECT_THAT([&] { Checkpoint::open(scratch.path()); }, ThrowsMessage<UserError>(HasSubstr("holds no weights")));
}

TEST(MemoryPlan, OptionsThatDoNotFitAreRefused) {
  const auto checkpoint = testing::open(testing::make_tiny_gguf(shape));
  EXPECT_THAT([&] { memory_plan(*checkpoint, {.layers = {4}}, {}); }, ThrowsMessage<UserError>(HasSubstr("4 layers")));
  EXPECT_THAT([&] { memory_plan(*checkpoint, {.context = 9999}, {}); }, ThrowsMessage<UserError>(HasSubstr("context")));
  EXPECT_THAT([&] { memory_plan(*checkpoint, {}, {0, 9}); }, ThrowsMessage<UserError>(HasSubstr("tensor_parallel 9")));
}

}  // namespace
}  // namespace pipespec::model
