/// Small random LLaMA models as GGUF files, for tests that need a model and not its wisdom.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/ggml_type.hpp"
#include "support/gguf_writer.hpp"

namespace pipespec::testing {

/// What to write. The vocabulary's first 256 tokens are the bytes, then "th" and "the" (from the two merges), then
/// <|endoftext|>,
/// <|im_start|> and <|im_end|>, then fillers; a vocabulary below 261 has fillers only.
struct TinyModel {
  int layers = 2;
  int width = 64;
  int heads = 4;
  int kv_heads = 2;
  int head_dim = 16;
  int feed_forward = 96;
  int vocabulary = 320;
  int context = 512;
  float rms_epsilon = 1e-5f;
  float rope_base = 10000;
  bool rope_factors = false;                         ///< write rope_freqs.weight, as LLaMA 3.1 has it
  bool tied = true;                                  ///< no output.weight: the embedding makes the logits
  io::GgmlType type = io::GgmlType::f32;             ///< of the layers' matrices
  std::optional<io::GgmlType> vocabulary_type = {};  ///< of embedding and head; none: as `type`
  std::uint64_t seed = 1;
};

/// A model's file and what its stored bytes mean, by tensor name: row-major [rows, cols].
struct TinyGguf {
  TinyModel model;
  GgufWriter file;
  std::map<std::string, std::vector<float>> values;
};

/// The same model for the same argument, on every machine.
TinyGguf make_tiny_gguf(const TinyModel& model);

/// The model with only the chosen layers of `whole`, renumbered.
TinyGguf cut_layers(const TinyGguf& whole, const std::vector<int>& layers);

}  // namespace pipespec::testing
