#include "model/checkpoint.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <span>
#include <string>

#include "core/error.hpp"
#include "model/model_fixture.hpp"

namespace pipespec::model {
namespace {

using io::GgmlType;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TinyGguf;

TEST(Checkpoint, ArchitectureIsReadFromTheMetadata) {
  const Architecture a = testing::open(testing::make_tiny_gguf({.layers = 3,
                                                                .width = 96,
                                                                .heads = 6,
                                                                .kv_heads = 3,
                                                                .head_dim = 32,
                                                                .feed_forward = 128,
                                                                .vocabulary = 400,
                                                                .context = 77,
                                                                .rms_epsilon = 0.25f,
                                                                .rope_base = 500,
                                                                .tied = false}))
                             ->architecture();
  EXPECT_EQ(a.layers, 3);
  EXPECT_EQ(a.width, 96);
  EXPECT_EQ(a.heads, 6);
  EXPECT_EQ(a.kv_heads, 3);
  EXPECT_EQ(a.head_dim, 32);
  EXPECT_EQ(a.feed_forward, 128);
  EXPECT_EQ(a.vocabulary, 400);
  EXPECT_EQ(a.context, 77);
  EXPECT_EQ(a.rms_epsilon, 0.25f);
  EXPECT_EQ(a.rope_base, 500);
  EXPECT_EQ(a.rope_style, ops::RopeStyle::interleaved);
  EXPECT_EQ(a.head, HeadWeights::own);
}

TEST(Checkpoint, WhatTheMetadataLeavesOutHasLlamasDefaults) {
  TinyGguf gguf = testing::make_tiny_gguf({.heads = 4, .kv_heads = 4});
  for (const auto key : {"llama.attention.head_count_kv", "llama.attention.key_length", "llama.attention.value_length",
                         "llama.rope.dimension_count", "llama.rope.freq_base", "llama.vocab_size"})
    gguf.file.remove(key);
  const Architecture a = testing::open(gguf)->architecture();
  EXPECT_EQ(a.kv_heads, 4);
  EXPECT_EQ(a.head_dim, 16);
  EXPECT_EQ(a.rope_base, 10000);
  EXPECT_EQ(a.vocabulary, 320);
  EXPECT_EQ(a.head, HeadWeights::tied);
}

TEST(Checkpoint, AFileInPartsIsTheWholeModel) {
  const TinyGguf gguf = testing::make_tiny_gguf({.tied = false, .type = GgmlType::q4_1});
  const auto text = testing::random_text(20, gguf.model.vocabulary);
  const testing::ScratchDirectory scratch;
  const auto first = testing::GgufWriter::write_parts(gguf.file.split(4), scratch.path() / "model.gguf");
  Transformer whole(testing::open(gguf), {}), parts(Checkpoint::open(first), {});
  EXPECT_EQ(testing::logits(parts, text), testing::logits(whole, text));
}

TEST(Checkpoint, ATiedHeadIsTheEmbedding) {
  const auto checkpoint = testing::open(testing::make_tiny_gguf({}));
  EXPECT_EQ(checkpoint->tensor(TensorRole::head).bytes.data(), checkpoint->tensor(TensorRole::embedding).bytes.data());
}

struct Fault {
  const char* name;
  std::function<void(TinyGguf&)> make;
  std::vector<std::string> message;  ///< parts of it
};

std::ostream& operator<<(std::ostream& out, const Fault& fault) {
  return out << fault.name;
}

void set(TinyGguf& gguf, const char* key, testing::GgufWriter::Value value) {
  gguf.file.set(key, std::move(value));
}

/// Another shape of the same number of elements, so that the file itself stays whole.
void reshape(TinyGguf& gguf, const char* tensor, std::vector<std::uint64_t> dims) {
  gguf.file.tensor(tensor).dims = std::move(dims);
}

const Fault faults[] = {
    {"another_architecture",
     [](auto& g) { set(g, "general.architecture", std::string("gpt2")); },
     {"'gpt2'", "supported are llama, qwen2 and qwen3"}},
    {"missing_tensor", [](auto& g) { g.file.remove_tensor("blk.1.ffn_up.weight"); }, {"blk.1.ffn_up.weight"}},
    {"missing_embedding", [](auto& g) { g.file.remove_tensor("token_embd.weight"); }, {"token_embd.weight"}},
    {"missing_key", [](auto& g) { g.file.remove("llama.block_count"); }, {"llama.block_count"}},
    {"more_layers_than_tensors",
     [](auto& g) { set(g, "llama.block_count", std::uint32_t{3}); },
     {"blk.2.attn_norm.weight"}},
    {"fewer_layers_than_tensors", [](auto& g) { set(g, "llama.block_count", std::uint32_t{1}); }, {"blk.1."}},
    {"wrong_shape",
     [](auto& g) {
       reshape(g, "blk.0.attn_k.weight", {32, 64});
     },
     {"blk.0.attn_k.weight", "[32, 64]", "expected [64, 32]"}},
    {"vector_where_a_matrix_belongs",
     [](auto& g) { reshape(g, "blk.0.attn_q.weight", {4096}); },
     {"blk.0.attn_q.weight", "[4096]", "expected [64, 64]"}},
    {"three_dimensions",
     [](auto& g) {
       reshape(g, "blk.0.attn_q.weight", {64, 32, 2});
     },
     {"[64, 32, 2]"}},
    {"wrong_norm",
     [](auto& g) {
       reshape(g, "blk.0.attn_norm.weight", {32, 2});
     },
     {"blk.0.attn_norm.weight", "[32, 2]"}},
    {"wrong_vocabulary",
     [](auto& g) { set(g, "llama.vocab_size", std::uint32_t{321}); },
     {"token_embd.weight", "[64, 321]"}},
    {"type_without_kernel",
     [](auto& g) { g.file.tensor("blk.0.ffn_up.weight").type = GgmlType::i32; },
     {"blk.0.ffn_up.weight", "type I32", "Q4_1"}},
    {"bias",
     [](auto& g) {
       g.file.add_tensor({"blk.0.attn_q.bias", GgmlType::f32, {64}, std::vector<std::byte>(256)});
     },
     {"blk.0.attn_q.bias"}},
    {"unknown_tensor_of_two_lines",
     [](auto& g) {
       g.file.add_tensor({"evil\n\x1b[2J", GgmlType::f32, {1}, std::vector<std::byte>(4)});
     },
     {"the tensor evil\\x0a\\x1b[2J"}},
    {"rotary_factor_that_is_not_a_number",
     [](auto& g) {
       const std::vector<float> factors(8, std::nanf(""));
       const auto bytes = std::as_bytes(std::span(factors));
       g.file.add_tensor({"rope_freqs.weight", GgmlType::f32, {8}, {bytes.begin(), bytes.end()}});
     },
     {"rotary factor", "nan"}},
    {"experts", [](auto& g) { set(g, "llama.expert_count", std::uint32_t{8}); }, {"llama.expert_count"}},
    {"scaled_rope",
     [](auto& g) { set(g, "llama.rope.scaling.type", std::string("yarn")); },
     {"'yarn'", "llama.rope.scaling.type"}},
    {"negative_rope_factor", [](auto& g) { set(g, "llama.rope.scaling.factor", -4.0f); }, {"rotary factor", "-4"}},
    {"partial_rope",
     [](auto& g) { set(g, "llama.rope.dimension_count", std::uint32_t{8}); },
     {"llama.rope.dimension_count", "16"}},
    {"values_of_another_size",
     [](auto& g) { set(g, "llama.attention.value_length", std::uint32_t{8}); },
     {"llama.attention.value_length"}},
    {"unknown_key", [](auto& g) { set(g, "llama.logit_scale", 0.5f); }, {"llama.logit_scale"}},
    {"key_of_another_type", [](auto& g) { set(g, "llama.block_count", std::string("two")); }, {"llama.block_count"}},
    {"negative_number", [](auto& g) { set(g, "llama.block_count", std::int32_t{-2}); }, {"llama.block_count", "-2"}},
    {"no_heads", [](auto& g) { set(g, "llama.attention.head_count", std::uint32_t{0}); }, {"attention heads"}},
    {"uneven_groups", [](auto& g) { set(g, "llama.attention.head_count_kv", std::uint32_t{3}); }, {"3 KV heads"}},
    {"more_kv_heads_than_heads",
     [](auto& g) { set(g, "llama.attention.head_count_kv", std::uint32_t{8}); },
     {"KV heads"}},
    {"huge_width", [](auto& g) { set(g, "llama.embedding_length", std::uint32_t{1u << 30}); }, {"embedding width"}},
    {"epsilon_is_not_a_number",
     [](auto& g) { set(g, "llama.attention.layer_norm_rms_epsilon", std::nanf("")); },
     {"epsilon"}},
    {"no_rope_base", [](auto& g) { set(g, "llama.rope.freq_base", 0.0f); }, {"rotary base"}},
};

class FaultTest : public ::testing::TestWithParam<Fault> {};

TEST_P(FaultTest, IsOneLineThatNamesFileAndCause) {
  TinyGguf gguf = testing::make_tiny_gguf({});
  GetParam().make(gguf);
  try {
    testing::open(gguf);
    FAIL() << "opened";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("tiny.gguf"), ::testing::Not(HasSubstr("\n"))));
    for (const std::string& part : GetParam().message) EXPECT_THAT(error.what(), HasSubstr(part));
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoint, FaultTest, ::testing::ValuesIn(faults),
                         [](const auto& instance) { return std::string(instance.param.name); });

TEST(Checkpoint, NeutralSettingsAreAccepted) {
  TinyGguf gguf = testing::make_tiny_gguf({});
  set(gguf, "llama.expert_count", std::uint32_t{0});
  set(gguf, "llama.rope.scaling.type", std::string("none"));
  set(gguf, "llama.rope.scaling.factor", 8.0f);
  EXPECT_NO_THROW(testing::open(gguf));
}

TEST(Checkpoint, LinearScalingDividesEveryRotaryFrequency) {
  testing::TinyGguf gguf = testing::make_tiny_gguf({.rope_factors = true});
  const auto whole = testing::open(gguf)->architecture().rope_factors;
  set(gguf, "llama.rope.scaling.factor", 4.0f);
  const auto scaled = testing::open(gguf)->architecture().rope_factors;
  ASSERT_EQ(scaled.size(), whole.size());
  for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_EQ(scaled[i], 4 * whole[i]);

  testing::TinyGguf old = testing::make_tiny_gguf({});
  set(old, "llama.rope.scale_linear", 2.0f);
  EXPECT_THAT(testing::open(old)->architecture().rope_factors, ::testing::Each(2.0f));
}

}  // namespace
}  // namespace pipespec::model
