#include "model/hf_config.hpp"

#include <gmock/gmock.h>

#include <functional>

#include "core/error.hpp"

namespace pipespec::model {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::ThrowsMessage;

json llama() {
  return {
      {"model_type", "llama"},    {"hidden_size", 64}, {"intermediate_size", 128}, {"num_hidden_layers", 2},
      {"num_attention_heads", 4}, {"vocab_size", 100}, {"rms_norm_eps", 1e-5},     {"max_position_embeddings", 512}};
}

Architecture read(const json& config) {
  return architecture_of(config, "config.json");
}

TEST(HfConfig, WhatIsNotSaidHasTransformersDefaults) {
  const Architecture a = read(llama());
  EXPECT_EQ(a.kv_heads, 4);
  EXPECT_EQ(a.head_dim, 16);
  EXPECT_EQ(a.rope_base, 10000);
  EXPECT_TRUE(a.rope_factors.empty());
  EXPECT_EQ(a.head, HeadWeights::own);
  EXPECT_EQ(a.rope_style, ops::RopeStyle::half);
}

TEST(HfConfig, BothSpellingsOfRotaryPositionsMeanTheSame) {
  const json scaling = {
      {"factor", 8.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0}, {"original_max_position_embeddings", 64}};
  json classical = llama(), recent = llama();
  classical["rope_theta"] = 5e5;
  classical["rope_scaling"] = scaling;
  classical["rope_scaling"]["type"] = "llama3";
  recent["rope_parameters"] = scaling;
  recent["rope_parameters"]["rope_type"] = "llama3";
  recent["rope_parameters"]["rope_theta"] = 5e5;
  EXPECT_EQ(read(classical).rope_factors, read(recent).rope_factors);
  EXPECT_EQ(read(classical).rope_base, 5e5f);
  EXPECT_EQ(read(recent).rope_base, 5e5f);
  EXPECT_EQ(read(recent).rope_factors.front(), 1) << "fast pairs are kept";
  EXPECT_EQ(read(recent).rope_factors.back(), 8) << "slow pairs are slowed down";
}

TEST(HfConfig, LinearScalingSlowsEveryPair) {
  json config = llama();
  config["rope_scaling"] = {{"type", "linear"}, {"factor", 2.0}};
  EXPECT_THAT(read(config).rope_factors, Each(2.0f));
}

TEST(HfConfig, QwensHaveTheirOwnOperations) {
  json config = llama();
  config["model_type"] = "qwen2";
  config["sliding_window"] = 4096;
  config["use_sliding_window"] = false;
  EXPECT_TRUE(read(config).qkv_bias);
  config["model_type"] = "qwen3";
  EXPECT_TRUE(read(config).qk_norm);
  EXPECT_EQ(read(config).head_dim, 128);
}

TEST(HfConfig, AWindowThatNoLayerHasIsNone) {
  json config = llama();
  config["model_type"] = "qwen2";
  config["use_sliding_window"] = true;
  config["sliding_window"] = 16;
  config["max_window_layers"] = 2;
  EXPECT_NO_THROW(read(config));
  config["max_window_layers"] = 1;
  EXPECT_THROW(read(config), UserError);
  config["layer_types"] = {"full_attention", "full_attention"};
  EXPECT_NO_THROW(read(config));
}

TEST(HfConfig, AKeyThatSaysNothingIsAccepted) {
  json config = llama();
  config["is_llama_config"] = true;  // SmolLM
  config["transformers.js_config"] = {{"kv_cache_dtype", {{"q4f16", "float16"}}}};
  config["temperature"] = 1.0;  // of the generation, as old versions wrote it
  config["pruned_heads"] = json::object();
  config["_name_or_path"] = "somewhere";
  config["quantization_config"] = nullptr;
  config["some_new_switch"] = false;
  EXPECT_NO_THROW(read(config));
}

struct Fault {
  const char* name;
  std::function<void(json&)> damage;
  const char* message;
};

class BrokenHfConfig : public ::testing::TestWithParam<Fault> {};

TEST_P(BrokenHfConfig, IsRefusedByName) {
  json config = llama();
  GetParam().damage(config);
  EXPECT_THAT(
      [&] { read(config); },
      ThrowsMessage<UserError>(AllOf(HasSubstr("config.json"), HasSubstr(GetParam().message), Not(HasSubstr("\n")))));
}

INSTANTIATE_TEST_SUITE_P(
    Each, BrokenHfConfig,
    ::testing::Values(Fault{"UnknownKey", [](json& c) { c["logit_scale"] = 2; }, "sets logit_scale (not known"},
                      Fault{"Quantised",
                            [](json& c) {
                              c["quantization_config"] = {{"bits", 4}};
                            },
                            "quantization_config"},
                      Fault{"Family", [](json& c) { c["model_type"] = "gemma2"; }, "gemma2"},
                      Fault{"Activation", [](json& c) { c["hidden_act"] = "gelu"; }, "hidden_act to gelu"},
                      Fault{"ActivationOfTwoLines", [](json& c) { c["hidden_act"] = "ge\nlu"; },
                            "hidden_act to ge\\x0alu"},
                      Fault{"KeyOfTwoLines", [](json& c) { c["a\nb"] = 1; }, "sets a\\x0ab"},
                      Fault{"FactorZero",
                            [](json& c) {
                              c["rope_scaling"] = {{"type", "linear"}, {"factor", 0}};
                            },
                            "a rotary factor of config.json is 0"},
                      Fault{"FactorBeyondAllFloats",
                            [](json& c) {
                              c["rope_scaling"] = {{"type", "linear"}, {"factor", 1e300}};
                            },
                            "a rotary factor of config.json is inf"},
                      Fault{"Bias", [](json& c) { c["attention_bias"] = true; }, "attention_bias"},
                      Fault{"Window", [](json& c) { c["use_sliding_window"] = true; }, "use_sliding_window"},
                      Fault{"Layers",
                            [](json& c) {
                              c["layer_types"] = {"full_attention", "sliding_attention"};
                            },
                            "layer_types"},
                      Fault{"Rope",
                            [](json& c) {
                              c["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 4.0}};
                            },
                            "'yarn'"},
                      Fault{"RopeTwice",
                            [](json& c) {
                              c["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 4.0}};
                              c["rope_parameters"] = {{"rope_type", "default"}};
                            },
                            "both rope_parameters and rope_scaling"},
                      Fault{"RopeByLayers",
                            [](json& c) {
                              c["rope_parameters"] = {{"full_attention", {{"rope_theta", 1e6}}}};
                            },
                            "sets rope_parameters.full_attention (not known"},
                      Fault{"Partial",
                            [](json& c) {
                              c["rope_parameters"] = {{"partial_rotary_factor", 0.5}};
                            },
                            "partial_rotary_factor"},
                      Fault{"Missing", [](json& c) { c.erase("hidden_size"); }, "has no hidden_size"},
                      Fault{"Negative", [](json& c) { c["num_hidden_layers"] = -1; }, "num_hidden_layers is -1"},
                      Fault{"Huge", [](json& c) { c["vocab_size"] = std::uint64_t{1} << 60; }, "vocab_size"},
                      Fault{"Text", [](json& c) { c["hidden_size"] = "64"; }, "hidden_size is \"64\""},
                      Fault{"Groups", [](json& c) { c["num_key_value_heads"] = 3; }, "3 KV heads"},
                      Fault{"NoObject", [](json& c) { c = json::array(); }, "not a JSON object"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace pipespec::model
