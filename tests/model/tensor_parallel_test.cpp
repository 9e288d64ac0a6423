#include <gmock/gmock.h>

#include <algorithm>

#include "core/error.hpp"
#include "model/model_fixture.hpp"
#include "model/transformer.hpp"

namespace pipespec::model {
namespace {

using io::GgmlType;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(Divide, PartsAreContiguousWholeUnitsAndAsEqualAsTheyCanBe) {
  EXPECT_EQ(divide(3, 1, 0, 2), (Range{0, 2}));
  EXPECT_EQ(divide(3, 1, 1, 2), (Range{2, 3}));
  EXPECT_EQ(divide(160, 32, 0, 3), (Range{0, 64}));
  EXPECT_EQ(divide(160, 32, 1, 3), (Range{64, 128}));
  EXPECT_EQ(divide(160, 32, 2, 3), (Range{128, 160}));
}

TEST(Divide, TheLastUnitMayBeCutShort) {
  EXPECT_EQ(divide(37, 16, 0, 2), (Range{0, 32}));
  EXPECT_EQ(divide(37, 16, 1, 2), (Range{32, 37}));
}

Architecture smollm2() {
  return {
      .layers = 30, .width = 576, .heads = 9, .kv_heads = 3, .head_dim = 64, .feed_forward = 1536, .vocabulary = 49152};
}

TEST(Shard, QueryHeadsFollowTheirKvHeads) {
  const Shard shard = shard_of(smollm2(), {0, 2});
  EXPECT_EQ(shard.kv_heads, (Range{0, 2}));
  EXPECT_EQ(shard.heads, (Range{0, 6}));
  EXPECT_EQ(shard_of(smollm2(), {1, 2}).heads, (Range{6, 9}));
}

TEST(Shard, ColumnsOfTheAttentionOutputStartAtBlocks) {
  Architecture narrow = smollm2();
  narrow.heads = narrow.kv_heads = 6;
  narrow.head_dim = 8;  // four heads make a block of 32 columns
  EXPECT_EQ(shard_of(narrow, {0, 2}).heads, (Range{0, 4}));
  EXPECT_EQ(shard_of(narrow, {1, 2}).heads, (Range{4, 6}));
}

TEST(Shard, WhereBlocksAreTooFewForAllRanksTheyAreCut) {
  Architecture odd = smollm2();
  odd.heads = 6;
  odd.kv_heads = 2;
  odd.head_dim = 20;
  odd.feed_forward = 51;
  odd.vocabulary = 33;
  EXPECT_EQ(shard_of(odd, {0, 2}).heads, (Range{0, 3}));
  EXPECT_EQ(shard_of(odd, {1, 2}).heads, (Range{3, 6}));
  EXPECT_EQ(shard_of(odd, {1, 2}).feed_forward, (Range{32, 51})) << "two ranks get whole blocks";
  EXPECT_EQ(shard_of(odd, {5, 6}).heads, (Range{5, 6})) << "one query head each";
  EXPECT_EQ(shard_of(odd, {5, 6}).kv_heads, (Range{1, 2}));
  EXPECT_EQ(shard_of(odd, {5, 6}).feed_forward, (Range{43, 51}));
  EXPECT_EQ(shard_of(odd, {5, 6}).outputs, (Range{28, 33}));
}

TEST(Shard, MoreRanksThanPartsAreRefused) {
  EXPECT_THAT(
      [] {
        shard_of(smollm2(), {0, 4});
      },
      ThrowsMessage<UserError>(
          "tensor_parallel 4 is too many (the model's KV heads divide into 3 parts): use at most 3"));
}

TEST(TensorParallel, MatricesAreSplitByOutputsOrByInputs) {
  const Architecture a = smollm2();
  const Shard shard = shard_of(a, {1, 2});
  EXPECT_EQ(part_of(a, shard, TensorRole::query).rows, (Range{384, 576}));
  EXPECT_EQ(part_of(a, shard, TensorRole::query).cols, (Range{0, 576}));
  EXPECT_EQ(part_of(a, shard, TensorRole::key).rows, (Range{128, 192}));
  EXPECT_EQ(part_of(a, shard, TensorRole::attention_output).rows, (Range{0, 576}));
  EXPECT_EQ(part_of(a, shard, TensorRole::attention_output).cols, (Range{384, 576}));
  EXPECT_EQ(part_of(a, shard, TensorRole::gate).rows, (Range{768, 1536}));
  EXPECT_EQ(part_of(a, shard, TensorRole::down).cols, (Range{768, 1536}));
  EXPECT_EQ(part_of(a, shard, TensorRole::head).rows, (Range{24576, 49152}));
}

/// All bytes of a packed matrix.
std::vector<std::byte> bytes_of(const ops::PackedMatrix& matrix) {
  return {matrix.tile(0), matrix.tile(0) + matrix.bytes()};
}

std::vector<std::byte> packed_bytes(const Weights& weights) {
  std::vector<std::byte> all = bytes_of(weights.head);
  for (const LayerWeights& w : weights.layers)
    for (const ops::PackedMatrix* matrix : {&w.query, &w.key, &w.value, &w.attention_output, &w.gate, &w.up, &w.down}) {
      const auto bytes = bytes_of(*matrix);
      all.insert(all.end(), bytes.begin(), bytes.end());
    }
  return all;
}

TEST(TensorParallel, ARanksWeightsComeFromItsOwnBytesAlone) {
  testing::TinyGguf gguf = testing::make_tiny_gguf({.kv_heads = 4, .tied = false, .type = GgmlType::q8_0});
  const auto pack = [&](int rank) {
    const auto checkpoint = testing::open(gguf);
    device::Stream stream(device::Device::host());
    return packed_bytes(load_weights(*checkpoint, shard_of(checkpoint->architecture(), {rank, 2}), {0, 1},
                                     WeightFormat::native, stream));
  };
  const auto first = pack(0), second = pack(1);
  for (const char* name : {"output", "blk.0.attn_q", "blk.0.attn_k", "blk.0.attn_v", "blk.0.attn_output",
                           "blk.0.ffn_gate", "blk.0.ffn_up", "blk.0.ffn_down"}) {
    const auto good = gguf.file.tensor(std::string(name) + ".weight").bytes;
    gguf.file.tensor(std::string(name) + ".weight").bytes.back() ^= std::byte{0x55};  // the last weight: rank 1's
    EXPECT_EQ(pack(0), first) << name;
    EXPECT_NE(pack(1), second) << name;
    gguf.file.tensor(std::string(name) + ".weight").bytes = good;
  }
}

/// Bytes that loading reads on each of `ranks` ranks.
std::vector<std::int64_t> bytes_read(const testing::TinyGguf& gguf, int ranks, WeightFormat format) {
  const auto checkpoint = testing::open(gguf);
  std::vector<std::int64_t> read;
  for (int rank = 0; rank < ranks; ++rank) {
    device::Stream stream(device::Device::host(), 2);
    read.push_back(
        load_weights(*checkpoint, shard_of(checkpoint->architecture(), {rank, ranks}), {0, 1}, format, stream)
            .bytes_read);
  }
  return read;
}

TEST(TensorParallel, TwoRanksReadHalfOfEveryMatrixEachAndAllOfTheNorms) {
  for (const bool is_tied : {false, true}) {
    const testing::TinyGguf gguf =
        testing::make_tiny_gguf({.kv_heads = 4, .feed_forward = 128, .tied = is_tied, .type = GgmlType::q8_0});
    const std::int64_t width = 64, vocabulary = 320, layers = 2, block_bytes = 34;
    const std::int64_t matrices = layers * (4 * width * width + 3 * width * 128) + vocabulary * width;
    const std::int64_t norms = (2 * layers + 1) * width * 4;
    const std::int64_t whole = matrices / 32 * block_bytes + norms, half = matrices / 2 / 32 * block_bytes + norms;
    for (const WeightFormat format : {WeightFormat::native, WeightFormat::bf16, WeightFormat::f32}) {
      EXPECT_EQ(bytes_read(gguf, 1, format), std::vector{whole});
      EXPECT_EQ(bytes_read(gguf, 2, format), (std::vector{half, half}));
    }
    const std::int64_t embedding = is_tied ? 0 : vocabulary * width / 32 * block_bytes;
    EXPECT_EQ(testing::open(gguf)->stored_bytes(), whole + embedding);
  }
}

TEST(TensorParallel, ColumnsInsideABlockAreReadWithTheWholeBlock) {
  const testing::TinyGguf gguf = testing::make_tiny_gguf(
      {.width = 256, .kv_heads = 4, .head_dim = 64, .feed_forward = 512, .tied = false, .type = GgmlType::q4_k});
  const std::int64_t attention_output_row = 144;  // one super-block of 256 columns, of which a rank of four has 64
  const std::int64_t rows = 256, layers = 2;
  const auto one = bytes_read(gguf, 1, WeightFormat::native)[0];
  std::int64_t four = 0;
  for (const std::int64_t bytes : bytes_read(gguf, 4, WeightFormat::native)) four += bytes;
  const std::int64_t norms = (2 * layers + 1) * 256 * 4;
  const std::int64_t down_again = layers * rows * 2 * 144;  // 128 of 512 columns each: every super-block read twice
  EXPECT_EQ(four - one, 3 * norms + layers * rows * 3 * attention_output_row + down_again);
}

TEST(PackedType, IsTheStoredOneWhereThatHasAKernelAndItsBlocksAreWhole) {
  using ops::WeightType;
  const auto packed = [](WeightType stored, Range cols, TensorRole role = TensorRole::down) {
    return packed_type(role, stored, cols, WeightFormat::native);
  };
  EXPECT_EQ(packed(WeightType::q4_k, {256, 768}), WeightType::q4_k);
  EXPECT_EQ(packed(WeightType::q6_k, {0, 256}), WeightType::q6_k);
  EXPECT_EQ(packed(WeightType::q4_k, {0, 288}), WeightType::bf16);
  EXPECT_EQ(packed(WeightType::q6_k, {128, 384}), WeightType::bf16);
  EXPECT_EQ(packed(WeightType::q4_1, {128, 160}), WeightType::q4_1);
  EXPECT_EQ(packed(WeightType::q5_k, {0, 256}), WeightType::bf16);
  EXPECT_EQ(packed(WeightType::q5_0, {0, 256}), WeightType::bf16);
  EXPECT_EQ(packed(WeightType::q4_k, {0, 256}, TensorRole::value), WeightType::bf16);
  EXPECT_EQ(packed_type(TensorRole::down, WeightType::f32, {0, 32}, WeightFormat::int8), WeightType::q8_0);
  EXPECT_EQ(packed_type(TensorRole::down, WeightType::f32, {0, 20}, WeightFormat::int8), WeightType::bf16);
}

class TensorParallelTest : public ::testing::TestWithParam<int> {
 protected:
  const testing::TinyModel shape_{.layers = 3, .heads = 6, .kv_heads = 3, .feed_forward = 160, .vocabulary = 300};
};

TEST_P(TensorParallelTest, LogitsAreThoseOfOneRankButForRounding) {
  const auto checkpoint = testing::open(testing::make_tiny_gguf(shape_));
  const auto text = testing::random_text(140, shape_.vocabulary);
  Transformer alone(checkpoint, {});
  const auto expected = testing::logits(alone, text);
  testing::run_ranks(GetParam(), [&](comm::Group& group) {
    Transformer shared(checkpoint, {}, &group);
    const auto found = testing::logits(shared, text);
    EXPECT_LT(testing::relative_error(found, expected), 1e-5);
    EXPECT_LT(shared.weight_bytes(), alone.weight_bytes());
  });
}

TEST_P(TensorParallelTest, DividedSuperBlocksAreWidened) {
  const testing::TinyModel model = testing::with_type(shape_, GgmlType::q5_k);
  const auto checkpoint = testing::open(testing::make_tiny_gguf(model));
  const auto text = testing::random_text(20, model.vocabulary);
  const ModelOptions options{.weights = WeightFormat::f32};
  Transformer alone(checkpoint, options);
  const auto expected = testing::logits(alone, text);
  testing::run_ranks(GetParam(), [&](comm::Group& group) {
    Transformer shared(checkpoint, options, &group);
    EXPECT_LT(testing::relative_error(testing::logits(shared, text), expected), 1e-5);
  });
}

TEST_P(TensorParallelTest, HeadsThatAreNoWholeBlocksAreDividedAllTheSame) {
  testing::TinyModel model = shape_;
  model.head_dim = 20;
  model.feed_forward = 51;
  model.vocabulary = 45;
  const auto checkpoint = testing::open(testing::make_tiny_gguf(model));
  const auto text = testing::random_text(20, model.vocabulary);
  Transformer alone(checkpoint, {});
  const auto expected = testing::logits(alone, text);
  testing::run_ranks(GetParam(), [&](comm::Group& group) {
    Transformer shared(checkpoint, {}, &group);
    EXPECT_LT(testing::relative_error(testing::logits(shared, text), expected), 1e-5);
  });
}

TEST_P(TensorParallelTest, EveryRankGetsTheSameTokensAsOneRankAlone) {
  testing::TinyModel model = shape_;
  model.tied = false;
  model.type = GgmlType::bf16;
  const auto checkpoint = testing::open(testing::make_tiny_gguf(model));
  const auto text = testing::random_text(140, model.vocabulary);
  const Segment segment{0, 0, text, 140};
  std::vector<Token> expected(140);
  Transformer(checkpoint, {}).forward({&segment, 1}, expected);
  testing::run_ranks(GetParam(), [&](comm::Group& group) {
    std::vector<Token> next(140);
    Transformer(checkpoint, {}, &group).forward({&segment, 1}, next);
    EXPECT_EQ(next, expected) << "rank " << group.rank();
  });
}

TEST_P(TensorParallelTest, EveryRankTellsTheProbabilitiesOfOneRankAlone) {
  testing::TinyModel model = shape_;
  model.tied = false;
  const auto checkpoint = testing::open(testing::make_tiny_gguf(model));
  const auto text = testing::random_text(40, model.vocabulary);
  const Segment segment{0, 0, text, 40};
  const ModelOptions options{.draft_vocabulary = {1,  2,  3,  50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
                                                  64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80},
                             .tells_probabilities = true};
  const auto told = [&](comm::Group* group) {
    std::vector<Token> next(40);
    std::vector<float> probabilities(40);
    Transformer(checkpoint, options, group).forward({&segment, 1}, next, {}, probabilities);
    return std::pair(next, probabilities);
  };
  const auto [expected, probabilities] = told(nullptr);
  EXPECT_TRUE(std::ranges::all_of(probabilities, [](float p) { return p > 1 / 50.0f && p <= 1; }));
  testing::run_ranks(GetParam(), [&](comm::Group& group) {
    const auto [next, own] = told(&group);
    EXPECT_EQ(next, expected) << "rank " << group.rank();
    for (std::size_t i = 0; i < own.size(); ++i) EXPECT_NEAR(own[i], probabilities[i], 1e-3);
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks, TensorParallelTest, ::testing::Values(2, 3),
                         [](const auto& instance) { return std::to_string(instance.param); });

}  // namespace
}  // namespace pipespec::model
