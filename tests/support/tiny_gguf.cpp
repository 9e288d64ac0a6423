#include "support/tiny_gguf.hpp"

#include <cmath>
#include <numbers>
#include <random>
#include <utility>

namespace pipespec::testing {
namespace {

/// Normally distributed numbers (Box and Muller), the same on every machine but for rounding.
class Normal {
 public:
  explicit Normal(std::uint64_t seed) : bits_(seed) {}
  float operator()(float mean, float deviation) {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    return mean + deviation * static_cast<float>(radius * std::cos(2 * std::numbers::pi * uniform()));
  }

 private:
  double uniform() { return (static_cast<double>(bits_() >> 11) + 1) / 9007199254740993.0; }  // in (0, 1)
  std::mt19937_64 bits_;
};

std::string utf8(int code_point) {  // below 0x800
  if (code_point < 0x80) return {static_cast<char>(code_point)};
  return {static_cast<char>(0xc0 | code_point >> 6), static_cast<char>(0x80 | (code_point & 0x3f))};
}

/// GPT-2's printable stand-ins of the 256 bytes.
std::vector<std::string> byte_tokens() {
  std::vector<std::string> tokens;
  int next_stand_in = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    tokens.push_back(utf8(printable ? byte : next_stand_in++));
  }
  return tokens;
}

void add_tokenizer(GgufWriter& file, int vocabulary) {
  constexpr std::int32_t normal = 1, control = 3, unused = 5;
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types;
  std::vector<std::string> merges;
  if (vocabulary >= 261) {
    tokens = byte_tokens();
    tokens.insert(tokens.end(), {"th", "the"});
    merges = {"t h", "th e"};
    types.assign(tokens.size(), normal);
    tokens.insert(tokens.end(), {"<|endoftext|>", "<|im_start|>", "<|im_end|>"});
    types.insert(types.end(), 3, control);
    file.set("tokenizer.ggml.bos_token_id", std::uint32_t{259});
    file.set("tokenizer.ggml.eos_token_id", std::uint32_t{260});
  }
  while (static_cast<int>(tokens.size()) < vocabulary) {
    tokens.push_back("<unused_" + std::to_string(tokens.size()) + ">");
    types.push_back(unused);
  }
  file.set("tokenizer.ggml.model", std::string("gpt2"));
  file.set("tokenizer.ggml.pre", std::string("smollm"));
  file.set("tokenizer.ggml.tokens", std::move(tokens));
  file.set("tokenizer.ggml.token_type", std::move(types));
  file.set("tokenizer.ggml.merges", std::move(merges));
  file.set("tokenizer.ggml.add_bos_token", false);
}

void add_metadata(GgufWriter& file, const TinyModel& m) {
  const auto number = [&](const char* key, int value) { file.set(key, static_cast<std::uint32_t>(value)); };
  file.set("general.architecture", std::string("llama"));
  file.set("general.name", std::string("tiny"));
  number("llama.block_count", m.layers);
  number("llama.context_length", m.context);
  number("llama.embedding_length", m.width);
  number("llama.feed_forward_length", m.feed_forward);
  number("llama.attention.head_count", m.heads);
  number("llama.attention.head_count_kv", m.kv_heads);
  number("llama.attention.key_length", m.head_dim);
  number("llama.attention.value_length", m.head_dim);
  number("llama.rope.dimension_count", m.head_dim);
  number("llama.vocab_size", m.vocabulary);
  file.set("llama.attention.layer_norm_rms_epsilon", m.rms_epsilon);
  file.set("llama.rope.freq_base", m.rope_base);
}

/// Adds random tensors one after another.
class TensorMaker {
 public:
  TensorMaker(TinyGguf& gguf, std::uint64_t seed) : gguf_(gguf), normal_(seed) {}

  void matrix(const std::string& name, io::GgmlType type, int rows, int cols, float deviation) {
    add(name, type, {static_cast<std::uint64_t>(cols), static_cast<std::uint64_t>(rows)}, 0, deviation);
  }
  void vector(const std::string& name, int length, float mean, float deviation) {
    add(name, io::GgmlType::f32, {static_cast<std::uint64_t>(length)}, mean, deviation);
  }

 private:
  void add(const std::string& name, io::GgmlType type, std::vector<std::uint64_t> dims, float mean, float deviation) {
    std::size_t count = 1;
    for (const std::uint64_t dim : dims) count *= dim;
    std::vector<float> values(count);
    for (float& value : values) value = normal_(mean, deviation);
    std::vector<std::byte> bytes = encode(type, values);
    gguf_.file.add_tensor({name, type, std::move(dims), std::move(bytes)});
    gguf_.values[name] = std::move(values);
  }

  TinyGguf& gguf_;
  Normal normal_;
};

constexpr const char* layer_tensors[] = {"attn_norm", "attn_q",   "attn_k", "attn_v",  "attn_output",
                                         "ffn_norm",  "ffn_gate", "ffn_up", "ffn_down"};

void add_layer(TensorMaker& make, const TinyModel& m, int layer) {
  const auto name = [&](const char* part) { return "blk." + std::to_string(layer) + "." + part + ".weight"; };
  const auto matrix = [&](const char* part, int rows, int cols) {
    make.matrix(name(part), m.type, rows, cols, 1 / std::sqrt(static_cast<float>(cols)));
  };
  make.vector(name("attn_norm"), m.width, 1, 0.1f);
  matrix("attn_q", m.heads * m.head_dim, m.width);
  matrix("attn_k", m.kv_heads * m.head_dim, m.width);
  matrix("attn_v", m.kv_heads * m.head_dim, m.width);
  matrix("attn_output", m.width, m.heads * m.head_dim);
  make.vector(name("ffn_norm"), m.width, 1, 0.1f);
  matrix("ffn_gate", m.feed_forward, m.width);
  matrix("ffn_up", m.feed_forward, m.width);
  matrix("ffn_down", m.width, m.feed_forward);
}

}  // namespace

TinyGguf make_tiny_gguf(const TinyModel& m) {
  TinyGguf gguf{m, {}, {}};
  add_metadata(gguf.file, m);
  add_tokenizer(gguf.file, m.vocabulary);
  TensorMaker make(gguf, m.seed);
  const io::GgmlType vocabulary_type = m.vocabulary_type.value_or(m.type);
  make.matrix("token_embd.weight", vocabulary_type, m.vocabulary, m.width, 1);
  for (int layer = 0; layer < m.layers; ++layer) add_layer(make, m, layer);
  make.vector("output_norm.weight", m.width, 1, 0.1f);
  if (!m.tied) make.matrix("output.weight", vocabulary_type, m.vocabulary, m.width, 1);
  if (m.rope_factors) make.vector("rope_freqs.weight", m.head_dim / 2, 4, 0.5f);
  return gguf;
}

TinyGguf cut_layers(const TinyGguf& whole, const std::vector<int>& layers) {
  TinyGguf cut = whole;
  cut.model.layers = static_cast<int>(layers.size());
  cut.file.set("llama.block_count", static_cast<std::uint32_t>(layers.size()));
  const auto name = [](int layer, const char* part) { return "blk." + std::to_string(layer) + "." + part + ".weight"; };
  for (int layer = 0; layer < whole.model.layers; ++layer)
    for (const char* part : layer_tensors) {
      cut.file.remove_tensor(name(layer, part));
      cut.values.erase(name(layer, part));
    }
  for (int layer = 0; layer < cut.model.layers; ++layer)
    for (const char* part : layer_tensors) {
      const std::string from = name(layers[static_cast<std::size_t>(layer)], part);
      GgufWriter::Tensor tensor = GgufWriter(whole.file).tensor(from);
      tensor.name = name(layer, part);
      cut.file.add_tensor(tensor);
      cut.values[tensor.name] = whole.values.at(from);
    }
  return cut;
}

}  // namespace pipespec::testing
