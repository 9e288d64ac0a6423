#include "model/hf_config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string_view>

#include "core/error.hpp"
#include "io/printable.hpp"

namespace pipespec::model {

namespace {

using nlohmann::json;

/// Keys that are read here, and keys that say nothing about the arithmetic of inference.
constexpr auto known_keys = std::to_array<std::string_view>({
    "architectures",
    "attention_bias",
    "attention_dropout",
    "attn_implementation",
    "bos_token_id",
    "dtype",
    "eos_token_id",
    "finetuning_task",
    "head_dim",
    "hidden_act",
    "hidden_size",
    "id2label",
    "initializer_range",
    "intermediate_size",
    "is_llama_config",
    "label2id",
    "layer_types",
    "max_position_embeddings",
    "max_sequence_length",
    "max_window_layers",
    "mlp_bias",
    "model_type",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "pad_token_id",
    "pretraining_tp",
    "rms_norm_eps",
    "rope_parameters",
    "rope_scaling",
    "rope_theta",
    "sep_token_id",
    "sliding_window",
    "tie_word_embeddings",
    "tokenizer_class",
    "torch_dtype",
    "transformers.js_config",
    "transformers_version",
    "unsloth_fixed",
    "unsloth_version",
    "use_cache",
    "use_sliding_window",
    "vocab_size",
});

/// What older versions of transformers wrote into every config.json: how texts are generated from the logits, and in
/// what form they are returned.
constexpr auto generation_keys = std::to_array<std::string_view>({
    "chunk_size_feed_forward",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "encoder_no_repeat_ngram_size",
    "is_decoder",
    "length_penalty",
    "max_length",
    "min_length",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "repetition_penalty",
    "return_dict",
    "temperature",
    "top_k",
    "top_p",
    "typical_p",
});

/// Keys of the rotary positions; all of them are read here.
constexpr auto rope_keys = std::to_array<std::string_view>({
    "factor",
    "high_freq_factor",
    "low_freq_factor",
    "original_max_position_embeddings",
    "partial_rotary_factor",
    "rope_theta",
    "rope_type",
    "type",
});

/// The values of one object of the file.
class ConfigReader {
 public:
  ConfigReader(const json& object, const std::string& source) : object_(object), source_(source) {
    validate(object.is_object(), "{} is not a JSON object: get the file again", source);
  }

  /// The value of `key`; nullptr where it is missing or null.
  const json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  int integer(const char* key, std::optional<int> otherwise = std::nullopt) const {
    const json* value = find(key);
    if (value == nullptr) return otherwise ? *otherwise : missing(key);
    constexpr double largest = 1 << 30;
    const bool fits = value->is_number_integer() && value->get<double>() >= 0 && value->get<double>() <= largest;
    validate(fits, "{}: {} is {} (an integer is expected): get the file again", source_, key,
             io::printable(value->dump()));
    return value->get<int>();
  }

  double number(const char* key, std::optional<double> otherwise = std::nullopt) const {
    const json* value = find(key);
    if (value == nullptr) return otherwise ? *otherwise : missing(key);
    validate(value->is_number() && std::isfinite(value->get<double>()),
             "{}: {} is {} (a number is expected): get the file again", source_, key, io::printable(value->dump()));
    return value->get<double>();
  }

  bool flag(const char* key, bool otherwise) const {
    const json* value = find(key);
    if (value == nullptr) return otherwise;
    validate(value->is_boolean(), "{}: {} is {} (true or false is expected): get the file again", source_, key,
             io::printable(value->dump()));
    return value->get<bool>();
  }

  std::string word(const char* key, const char* otherwise) const {
    const json* value = find(key);
    if (value == nullptr) return otherwise;
    validate(value->is_string(), "{}: {} is {} (a word is expected): get the file again", source_, key,
             io::printable(value->dump()));
    return value->get<std::string>();
  }

  /// Refuses what is not computed here.
  template <class Value>
  void must_be(const char* key, const Value& found, const Value& supported) const {
    validate(found == supported, "{} sets {} to {} (only {} is supported): choose another model", source_, key,
             io::printable(fmt::format("{}", found)), supported);
  }

  const std::string& source() const { return source_; }

 private:
  [[noreturn]] int missing(const char* key) const {
    reject("{} has no {} (the model cannot be computed without it): get the file again", source_, key);
  }

  const json& object_;
  const std::string& source_;
};

/// Refuses the keys of `object`, which the file calls `place` ("rope_scaling."), that `is_known` does not know.
template <class IsKnown>
void refuse_unknown_keys(const json& object, std::string_view place, const std::string& source, IsKnown&& is_known) {
  for (const auto& [key, value] : object.items()) {
    const bool is_harmless =
        key.starts_with('_') || value.is_null() || value == false || (value.is_structured() && value.empty());
    validate(is_harmless || is_known(key),
             "{} sets {}{} (not known, and it may change the arithmetic): choose another model", source, place,
             io::printable(key));
  }
}

/// Refuses layers that attend to a window only. Qwen's config.json may keep a sliding_window that use_sliding_window
/// switches off, or that begins behind the last layer; LLaMA has neither.
void refuse_windows(const ConfigReader& config) {
  if (const json* layers = config.find("layer_types")) {
    const bool are_full =
        layers->is_array() && std::ranges::all_of(*layers, [](const json& type) { return type == "full_attention"; });
    validate(are_full,
             "{} sets layer_types to something else than full_attention (not supported): choose another model",
             config.source());
    return;  // they say of every layer what the keys below say of all
  }
  if (config.integer("max_window_layers", 0) < config.integer("num_hidden_layers"))
    config.must_be("use_sliding_window", config.flag("use_sliding_window", false), false);
}

/// Divisors of the rotation frequencies after LLaMA 3.1's rule (transformers, modeling_rope_utils.py,
/// _compute_llama3_parameters): low frequencies are divided by `factor`, high ones kept, those between interpolated.
std::vector<float> llama3_factors(const ConfigReader& rope, const Architecture& a) {
  const double factor = rope.number("factor"), low = rope.number("low_freq_factor"),
               high = rope.number("high_freq_factor");
  const double trained = rope.number("original_max_position_embeddings");
  validate(factor >= 1 && low > 0 && high > low && trained > 0,
           "{}: the rotary scaling's factors {}, {}, {} and length {} do not fit one another: get the file again",
           rope.source(), factor, low, high, trained);
  std::vector<float> factors;
  for (int i = 0; i < a.head_dim / 2; ++i) {
    const double frequency = std::pow(static_cast<double>(a.rope_base), -2.0 * i / a.head_dim);
    const double length = 2 * std::numbers::pi / frequency;
    const double smooth = std::clamp((trained / length - low) / (high - low), 0.0, 1.0);
    factors.push_back(static_cast<float>(1 / ((1 - smooth) / factor + smooth)));
  }
  return factors;
}

/// Rotary positions: `rope_parameters`, or `rope_theta` and `rope_scaling`.
void read_rope(const ConfigReader& config, Architecture& a) {
  const json* parameters = config.find("rope_parameters");
  const json* scaling = config.find("rope_scaling");
  validate(parameters == nullptr || scaling == nullptr,
           "{} sets both rope_parameters and rope_scaling (which counts depends on the reader): leave the right one",
           config.source());
  if (parameters != nullptr) scaling = parameters;
  constexpr double usual_base = 10000;
  a.rope_base = static_cast<float>(config.number("rope_theta", usual_base));
  if (scaling == nullptr) return;
  const ConfigReader rope(*scaling, config.source());
  a.rope_base = static_cast<float>(rope.number("rope_theta", static_cast<double>(a.rope_base)));
  const std::string type = rope.word("rope_type", rope.word("type", "default").c_str());
  validate(type == "default" || type == "linear" || type == "llama3",
           "{} scales its rotary positions by '{}' (supported are default, linear and llama3): choose another model",
           config.source(), io::printable(type));
  rope.must_be("partial_rotary_factor", rope.number("partial_rotary_factor", 1.0), 1.0);
  refuse_unknown_keys(*scaling, parameters != nullptr ? "rope_parameters." : "rope_scaling.", config.source(),
                      [](const std::string& key) { return std::ranges::find(rope_keys, key) != rope_keys.end(); });
  if (type == "llama3")
    a.rope_factors = llama3_factors(rope, a);
  else if (type == "linear")
    a.rope_factors.assign(static_cast<std::size_t>(a.head_dim / 2), static_cast<float>(rope.number("factor")));
}

}  // namespace

Architecture architecture_of(const json& object, const std::string& source) {
  const ConfigReader config(object, source);
  refuse_unknown_keys(object, "", source, [](const std::string& key) {
    return std::ranges::find(known_keys, key) != known_keys.end() ||
           std::ranges::find(generation_keys, key) != generation_keys.end();
  });
  const std::string type = config.word("model_type", "");
  validate(type == "llama" || type == "qwen2" || type == "qwen3",
           "{} is of the model_type '{}' (supported are llama, qwen2 and qwen3): choose another model", source,
           io::printable(type));
  config.must_be<std::string>("hidden_act", config.word("hidden_act", "silu"), "silu");
  config.must_be("mlp_bias", config.flag("mlp_bias", false), false);
  config.must_be("attention_bias", config.flag("attention_bias", false), false);
  refuse_windows(config);
  Architecture a;
  a.layers = config.integer("num_hidden_layers");
  a.width = config.integer("hidden_size");
  a.feed_forward = config.integer("intermediate_size");
  a.heads = config.integer("num_attention_heads");
  a.kv_heads = config.integer("num_key_value_heads", a.heads);
  constexpr int qwen3_head_dim = 128;  // what transformers takes where the file is silent
  const int usual = type == "qwen3" ? qwen3_head_dim : a.heads > 0 ? a.width / a.heads : 0;
  a.head_dim = config.integer("head_dim", usual);
  a.vocabulary = config.integer("vocab_size");
  a.context = config.integer("max_position_embeddings");
  a.rms_epsilon = static_cast<float>(config.number("rms_norm_eps", 1e-6));
  a.rope_style = ops::RopeStyle::half;
  a.head = config.flag("tie_word_embeddings", false) ? HeadWeights::tied : HeadWeights::own;
  a.qkv_bias = type == "qwen2";
  a.qk_norm = type == "qwen3";
  a.rope_base = 10000;            // until it is read
  check_architecture(a, source);  // the sizes that the rotary positions are made for
  read_rope(config, a);
  check_architecture(a, source);
  return a;
}

std::optional<ops::WeightType> weight_type_of(const json& config) {
  for (const char* key : {"dtype", "torch_dtype"}) {
    const auto found = config.find(key);
    if (found == config.end()) continue;
    if (*found == "float32") return ops::WeightType::f32;
    if (*found == "float16") return ops::WeightType::f16;
    if (*found == "bfloat16") return ops::WeightType::bf16;
  }
  return std::nullopt;
}

}  // namespace pipespec::model
