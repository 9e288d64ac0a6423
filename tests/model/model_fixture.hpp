/// What the tests of the model share: tiny models on disk, texts, logits, distances.
#pragma once

#include <cmath>
#include <memory>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "model/transformer.hpp"
#include "support/scratch_directory.hpp"
#include "support/thread_group.hpp"
#include "support/tiny_gguf.hpp"

namespace pipespec::testing {

/// `shape` with matrices of `type`, and with rows of whole super-blocks where the type has such.
inline TinyModel with_type(TinyModel shape, io::GgmlType type) {
  shape.type = type;
  if (const int length = static_cast<int>(io::info(type).block_length); length > 32) {
    shape.width = length;
    shape.head_dim = length / std::gcd(length, shape.heads);
    shape.feed_forward = 2 * length;
  }
  return shape;
}

/// Opens a tiny model as the user's file is opened. The mapping outlives the file's name.
inline std::shared_ptr<const model::Checkpoint> open(const TinyGguf& gguf) {
  const ScratchDirectory directory;
  const auto path = directory.path() / "tiny.gguf";
  gguf.file.write(path);
  return model::Checkpoint::open(path);
}

inline std::vector<Token> random_text(std::size_t length, int vocabulary, unsigned seed = 7) {
  std::mt19937 bits(seed);
  std::vector<Token> tokens(length);
  for (Token& token : tokens) token = static_cast<Token>(bits() % static_cast<unsigned>(vocabulary));
  return tokens;
}

/// Appends `tokens` to the slot and returns their logits, [tokens * outputs].
inline std::vector<float> logits(model::Transformer& transformer, std::span<const Token> tokens, model::Slot slot = 0) {
  const auto rows = static_cast<std::int64_t>(tokens.size());
  std::vector<float> out(tokens.size() * static_cast<std::size_t>(transformer.outputs()));
  transformer.logits(slot, tokens, {out.data(), rows, transformer.outputs()});
  return out;
}

/// ‖a − b‖ / ‖b‖
template <class A, class B>
double relative_error(const A& a, const B& b) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const double distance = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    difference += distance * distance;
    norm += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return std::sqrt(difference / norm);
}

}  // namespace pipespec::testing
