#include "model/architecture.hpp"

#include <cmath>

#include "core/error.hpp"

namespace pipespec::model {
namespace {

// Far above any model, and small enough that products of two of them fit 64 bits and of heads and head_dim 32.
constexpr int largest_count = 1 << 16;
constexpr int largest_width = 1 << 20;
constexpr int largest_vocabulary = 1 << 24;

void check_range(int value, int largest, const char* what, const std::string& source) {
  validate(value > 0 && value <= largest, "{} of {} is {} (expected 1 to {}): the file is damaged or not a LLaMA model",
           what, source, value, largest);
}

}  // namespace

void check_architecture(const Architecture& a, const std::string& source) {
  check_range(a.layers, largest_count, "the number of layers", source);
  check_range(a.width, largest_width, "the embedding width", source);
  check_range(a.feed_forward, largest_width, "the feed-forward width", source);
  check_range(a.vocabulary, largest_vocabulary, "the vocabulary size", source);
  check_range(a.heads, largest_count, "the number of attention heads", source);
  check_range(a.kv_heads, a.heads, "the number of KV heads", source);
  check_range(a.head_dim, largest_width / a.heads, "the head size", source);
  check_range(a.context, 1 << 30, "the context length", source);
  validate(a.heads % a.kv_heads == 0,
           "{} has {} attention heads and {} KV heads (expected a multiple): the file is damaged", source, a.heads,
           a.kv_heads);
  validate(a.head_dim % 2 == 0,
           "the head size of {} is {} (expected an even number for rotary positions): the file is damaged", source,
           a.head_dim);
  validate(std::isfinite(a.rms_epsilon) && a.rms_epsilon >= 0,
           "the RMS norm's epsilon of {} is {}: the file is damaged", source, a.rms_epsilon);
  validate(std::isfinite(a.rope_base) && a.rope_base > 0, "the rotary base of {} is {}: the file is damaged", source,
           a.rope_base);
  validate(a.rope_factors.empty() || static_cast<int>(a.rope_factors.size()) == a.head_dim / 2,
           "{} has {} rotary factors (expected {}, half the head size): the file is damaged", source,
           a.rope_factors.size(), a.head_dim / 2);
  for (const float factor : a.rope_factors)
    validate(std::isfinite(factor) && factor > 0,
             "a rotary factor of {} is {} (expected a positive number): the file is damaged", source, factor);
}

}  // namespace pipespec::model
