/// A LLaMA-like transformer, alone or as one rank of a tensor-parallel group.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "comm/group.hpp"
#include "core/sampling.hpp"
#include "device/device.hpp"
#include "model/checkpoint.hpp"
#include "model/kv_cache.hpp"
#include "model/language_model.hpp"
#include "model/operation_times.hpp"
#include "model/shard.hpp"
#include "model/weights.hpp"
#include "model/workspace.hpp"
#include "ops/attention.hpp"
#include "ops/matrix_view.hpp"
#include "ops/rope.hpp"

namespace pipespec::model {

/// How a checkpoint is to be run.
struct ModelOptions {
  WeightFormat weights = WeightFormat::native;
  std::optional<ops::KvType> kv_cache = {};  ///< none: kv_type_beside() the weights
  std::vector<int> layers = {};              ///< which of the model's layers, ascending; empty: all
  int slots = 1;                             ///< sequences held at once
  Position context = 0;                      ///< positions a slot has room for; 0: as many as the model was trained for
  int threads = 1;
  Sampling sampling = {};
  std::vector<Token> draft_vocabulary = {};  ///< the tokens that a drafter can predict, ascending; empty: all
  bool tells_probabilities = false;          ///< of a stage below the target: forward() can tell how sure it is

  bool needs_logits() const { return tells_probabilities || !sampling.is_greedy(); }
};

/// LLaMA's forward pass (Touvron et al. 2023) with grouped-query attention and a KV cache. The rows of a segment are
/// cut at the multiples of `chunk_rows` of their position, and pieces of several segments share the linear operations.
/// With a group every rank makes the same calls with the same arguments and gets the same results; its passes run to
/// the end, and forward() takes no `keep_going`.
/// Owns weights, cache, workspace and threads, shares the checkpoint; the group must outlive it. Not thread-safe.
/// A forward pass allocates nothing.
class Transformer final : public LanguageModel {
 public:
  static constexpr Position chunk_rows = 128;

  /// Loads the weights. Throws UserError if the options do not fit the checkpoint (layers, context, tensor parallel).
  Transformer(std::shared_ptr<const Checkpoint> checkpoint, const ModelOptions& options, comm::Group* group = nullptr);

  int vocabulary_size() const override { return architecture().vocabulary; }
  Position context_length() const override { return cache_.context(); }
  int slots() const override { return cache_.slots(); }
  Position length(Slot slot) const override { return cache_.length(slot); }
  void truncate(Slot slot, Position length) override { cache_.truncate(slot, length); }
  Position share(Slot from, Slot to, Position length) override { return cache_.share(from, to, length); }
  bool forward(std::span<const Segment> segments, std::span<Token> next, const KeepGoing& keep_going = {},
               std::span<float> probabilities = {}) override;

  /// How many tokens it can predict: all of the vocabulary, or the draft vocabulary, in its order.
  std::int64_t outputs() const { return output_count_; }

  /// Appends `tokens` to `slot` as forward() does and writes the logits of all outputs after every one of them, on
  /// every rank. out [tokens, outputs()].
  void logits(Slot slot, std::span<const Token> tokens, ops::MatrixView<float> out);

  /// Host threads of the passes to come, ≥ 1.
  void set_threads(int threads) { stream_.set_threads(threads); }

  /// From now on adds what each operation of a pass takes to `times` (nullptr: no longer).
  void measure(OperationTimes* times) { times_ = times; }

  const Architecture& architecture() const { return checkpoint_->architecture(); }
  int layer_count() const { return static_cast<int>(weights_.layers.size()); }  ///< that run

  /// Bytes of packed weights of this rank: what a pass over one row reads.
  std::int64_t weight_bytes() const;

  /// Bytes of the checkpoint that were read to load this rank's weights. Rows of the embedding are read in passes.
  std::int64_t bytes_read() const { return weights_.bytes_read; }

  /// Multiply-adds of one row in this rank's matrices, without attention.
  std::int64_t multiply_adds_per_row() const;

  /// Of those, the head's: only rows that want their next token.
  std::int64_t head_multiply_adds() const { return weights_.head.out() * weights_.head.in(); }

 private:
  /// Consecutive rows of one segment within a chunk.
  struct Piece {
    Slot slot = 0;
    Position begin = 0;
    std::span<const Token> tokens;
    std::int64_t first_row = 0;  ///< in the chunk
    std::int64_t outputs = 0;    ///< of the last rows
    std::uint64_t sequence = 0;
    std::span<const Token> recent;  ///< up to the last of the tokens
    std::int64_t rows() const { return static_cast<std::int64_t>(tokens.size()); }
  };

  template <class Head>
  bool pass(std::span<const Segment> segments, const KeepGoing& keep_going, Head&& head);
  template <class Head>
  bool run_segments(std::span<const Segment> segments, const KeepGoing& keep_going, Head&& head);
  template <class Head>
  bool run_chunk(const KeepGoing& keep_going, Head&& head);
  void embed(LapTimer& timer);
  void attend(std::size_t layer, LapTimer& timer);
  void normalise_heads(std::span<const float> weight, ops::MatrixView<float> x);
  void feed_forward(std::size_t layer, LapTimer& timer);
  void add_update(LapTimer& timer);
  ops::MatrixView<const float> normalise_outputs();
  void find_best(ops::MatrixView<const float> outputs, std::span<Token> next);
  Token token_of(const Best& best) const;
  void note_places();
  bool choose(ops::MatrixView<const float> outputs, std::span<Token> next, const KeepGoing& keep_going,
              std::span<float> probabilities);
  bool write_logits(ops::MatrixView<const float> outputs, const KeepGoing& keep_going, RowBuffer& own,
                    ops::MatrixView<float> out);
  bool multiply_head(const KeepGoing& keep_going, ops::MatrixView<float> out);
  void check(const Segment& segment) const;

  std::shared_ptr<const Checkpoint> checkpoint_;
  comm::Group* group_;  // nullptr: alone
  std::vector<Token> draft_vocabulary_;
  std::int64_t output_count_;
  Shard shard_;
  device::Stream stream_;
  Weights weights_;
  KvCache cache_;
  ops::RopeTable rope_;
  Workspace workspace_;
  std::vector<Piece> pieces_;                 // of the chunk being computed
  std::int64_t piece_rows_ = 0;               // of all of them
  std::vector<ops::SequenceRows> sequences_;  // the pieces in the layer being computed
  std::vector<Position> positions_;           // of the rows of all pieces
  std::vector<Best> best_;                    // [chunk_rows]
  bool draws_;                                // tokens, by noise or with a penalty
  bool tells_probabilities_;                  // of the most likely ones
  std::optional<LogitBuffers> choosing_;      // of a model that does either
  OperationTimes* times_ = nullptr;
};

/// Where the group's calling rank stands; nullptr: alone.
TensorParallel place_in(const comm::Group* group);

/// How many logits a Transformer made with these arguments computes for a row.
std::int64_t output_count(const Architecture& architecture, const ModelOptions& options);

/// The shard of a Transformer made with these arguments. Throws UserError as shard_of() does without options.
Shard shard_of(const Architecture& architecture, const ModelOptions& options, TensorParallel place);

/// The extents of the cache of a Transformer made with these arguments. Throws UserError if the context is longer than
/// the model's.
KvCache::Extents cache_extents(const Checkpoint& checkpoint, const ModelOptions& options, const Shard& shard);

}  // namespace pipespec::model
