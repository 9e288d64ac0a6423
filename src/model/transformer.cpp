#include "model/transformer.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "core/error.hpp"
#include "ops/add.hpp"
#include "ops/attention.hpp"
#include "ops/embedding.hpp"
#include "ops/linear.hpp"
#include "ops/most_likely.hpp"
#include "ops/rms_norm.hpp"
#include "ops/swiglu.hpp"

namespace pipespec::model {
namespace {

using ops::MatrixView;

/// Bytes of the head's weights between two questions whether the pass is still wanted: some 50 µs.
constexpr std::int64_t head_bytes_at_once = std::int64_t{1} << 20;

/// Whether one of the matrices multiplies 8-bit activations.
template <class... Matrices>
ops::NeedsBlocks needs_blocks(const Matrices&... matrices) {
  return (ops::is_quantized(matrices.type()) || ...) ? ops::NeedsBlocks::yes : ops::NeedsBlocks::no;
}

/// Calls f with every packed matrix of the weights.
template <class F>
void for_each_matrix(const Weights& weights, F&& f) {
  for (const LayerWeights& layer : weights.layers)
    for (const ops::PackedMatrix* matrix :
         {&layer.query, &layer.key, &layer.value, &layer.attention_output, &layer.gate, &layer.up, &layer.down})
      f(*matrix);
  f(weights.head);
}

}  // namespace

TensorParallel place_in(const comm::Group* group) {
  return group ? TensorParallel{group->rank(), group->size()} : TensorParallel{};
}

std::int64_t output_count(const Architecture& a, const ModelOptions& options) {
  return options.draft_vocabulary.empty() ? a.vocabulary : static_cast<std::int64_t>(options.draft_vocabulary.size());
}

Shard shard_of(const Architecture& a, const ModelOptions& options, TensorParallel place) {
  const std::vector<Token>& draft = options.draft_vocabulary;
  expect(draft.empty() || (draft.front() >= 0 && draft.back() < a.vocabulary &&
                           std::ranges::adjacent_find(draft, std::greater_equal()) == draft.end()),
         "a draft vocabulary is tokens of the vocabulary, ascending");
  return shard_of(a, place, output_count(a, options));
}

KvCache::Extents cache_extents(const Checkpoint& checkpoint, const ModelOptions& options, const Shard& shard) {
  const Architecture& a = checkpoint.architecture();
  expect(options.slots > 0 && options.context >= 0, "a model has slots, and a context is not negative");
  validate(options.context <= a.context, "a context of {} is too long ({} was trained for {}): use at most that",
           options.context, checkpoint.source(), a.context);
  const std::vector<int> layers = select_layers(options.layers, a.layers, checkpoint.source());
  return {options.kv_cache.value_or(kv_type_beside(checkpoint, options.weights)),
          options.slots,
          static_cast<int>(layers.size()),
          static_cast<int>(shard.kv_heads.size()),
          a.head_dim,
          options.context == 0 ? a.context : options.context};
}

Transformer::Transformer(std::shared_ptr<const Checkpoint> checkpoint, const ModelOptions& options, comm::Group* group)
    : checkpoint_(std::move(checkpoint)),
      group_(group),
      draft_vocabulary_(options.draft_vocabulary),
      output_count_(output_count(architecture(), options)),
      shard_(shard_of(architecture(), options, place_in(group))),
      stream_(device::Device::host(), options.threads),
      weights_(load_weights(*checkpoint_, shard_,
                            select_layers(options.layers, architecture().layers, checkpoint_->source()),
                            options.weights, stream_, draft_vocabulary_)),
      cache_(cache_extents(*checkpoint_, options, shard_)),
      rope_(cache_.context(), architecture().head_dim, architecture().rope_base, architecture().rope_factors),
      workspace_(stream_, architecture(), shard_, chunk_rows),
      best_(chunk_rows),
      draws_(!options.sampling.is_greedy()),
      tells_probabilities_(options.tells_probabilities) {
  pieces_.reserve(chunk_rows);
  sequences_.reserve(chunk_rows);
  positions_.reserve(chunk_rows);
  const ops::KvView cache = KvCache::outline(cache_extents(*checkpoint_, options, shard_));
  stream_.scratch(ops::attention_scratch_bytes(cache, shard_.heads.size()));  // grows no more in passes
  if (options.needs_logits()) choosing_.emplace(options.sampling, output_count_, draft_vocabulary_, shard_, chunk_rows);
}

std::int64_t Transformer::weight_bytes() const {
  std::int64_t bytes = 0;
  for_each_matrix(weights_,
                  [&](const ops::PackedMatrix& matrix) { bytes += static_cast<std::int64_t>(matrix.bytes()); });
  return bytes;
}

std::int64_t Transformer::multiply_adds_per_row() const {
  std::int64_t count = 0;
  for_each_matrix(weights_, [&](const ops::PackedMatrix& matrix) { count += matrix.out() * matrix.in(); });
  return count;
}

void Transformer::check(const Segment& segment) const {
  const auto rows = static_cast<std::int64_t>(segment.tokens.size());
  expect(segment.begin == length(segment.slot), "a segment goes on where its slot ends");
  expect(rows > 0 && segment.begin + rows <= context_length(), "a segment's rows fit the context");
  expect(segment.outputs >= 0 && segment.outputs <= rows, "a segment's outputs are among its rows");
  for (const Token token : segment.tokens)
    expect(token >= 0 && token < vocabulary_size(), "a token is in the vocabulary");
}

/// Runs the segments chunk by chunk and gives head() the normalised last layer [outputs, width] of each chunk's
/// outputs, which may give up, too. False: keep_going() answered no, and no slot has grown.
template <class Head>
bool Transformer::pass(std::span<const Segment> segments, const KeepGoing& keep_going, Head&& head) {
  for (const Segment& segment : segments) check(segment);
  if (run_segments(segments, keep_going, head)) return true;
  for (const Segment& segment : segments) cache_.truncate(segment.slot, segment.begin);
  pieces_.clear();
  piece_rows_ = 0;
  return false;
}

template <class Head>
bool Transformer::run_segments(std::span<const Segment> segments, const KeepGoing& keep_going, Head&& head) {
  for (const Segment& segment : segments) {
    const auto rows = static_cast<Position>(segment.tokens.size());
    for (Position done = 0, count = 0; done < rows; done += count) {
      const Position begin = segment.begin + done;
      count = std::min(rows - done, chunk_rows - begin % chunk_rows);  // a piece ends on the absolute grid
      if (piece_rows_ + count > chunk_rows && !run_chunk(keep_going, head)) return false;
      const std::int64_t outputs = std::clamp(done + count - (rows - segment.outputs), 0, count);
      pieces_.push_back(
          {segment.slot, begin, segment.tokens.subspan(static_cast<std::size_t>(done), static_cast<std::size_t>(count)),
           piece_rows_, outputs, segment.sequence,
           segment.recent.first(segment.recent.size() -
                                std::min(segment.recent.size(), static_cast<std::size_t>(rows - done - count)))});
      piece_rows_ += count;
    }
  }
  return run_chunk(keep_going, head);
}

template <class Head>
bool Transformer::run_chunk(const KeepGoing& keep_going, Head&& head) {
  const auto is_given_up = [&] { return keep_going && !keep_going(); };
  LapTimer timer(times_);
  positions_.clear();
  for (const Piece& piece : pieces_)
    cache_.reserve(piece.slot, piece.begin, piece.begin + static_cast<Position>(piece.rows()));
  for (const Piece& piece : pieces_)
    for (std::int64_t r = 0; r < piece.rows(); ++r) positions_.push_back(piece.begin + static_cast<Position>(r));
  embed(timer);
  for (std::size_t layer = 0; layer < weights_.layers.size(); ++layer) {
    if (layer > 0 && is_given_up()) return false;
    attend(layer, timer);
    if (is_given_up()) return false;
    feed_forward(layer, timer);
  }
  const MatrixView<const float> outputs = normalise_outputs();
  timer.lap(Operation::norm);
  if (is_given_up()) return false;
  if (outputs.rows > 0 && !head(outputs)) return false;
  timer.lap(Operation::head);
  for (const Piece& piece : pieces_) cache_.extend(piece.slot, static_cast<Position>(piece.rows()));
  pieces_.clear();
  piece_rows_ = 0;
  return true;
}

void Transformer::embed(LapTimer& timer) {
  const MatrixView<float> residual = workspace_.residual.rows(piece_rows_);
  for (const Piece& piece : pieces_)
    ops::embed(stream_, weights_.embedding, piece.tokens, residual.row_range(piece.first_row, piece.rows()));
  timer.lap(Operation::embedding);
}

void Transformer::attend(std::size_t layer, LapTimer& timer) {
  const LayerWeights& w = weights_.layers[layer];
  const MatrixView<float> normed = workspace_.normed.rows(piece_rows_);
  const MatrixView<float> query = workspace_.query.rows(piece_rows_);
  const MatrixView<float> key = workspace_.key.rows(piece_rows_);
  const MatrixView<float> value = workspace_.value.rows(piece_rows_);
  const MatrixView<float> attended = workspace_.attended.rows(piece_rows_);
  ops::rms_norm(stream_, workspace_.residual.rows(piece_rows_), w.attention_norm, architecture().rms_epsilon, normed);
  workspace_.activations.assign(stream_, normed, needs_blocks(w.query, w.key, w.value));
  timer.lap(Operation::norm);
  ops::linear(stream_, {{{&w.query, query}, {&w.key, key}, {&w.value, value}}}, workspace_.activations);
  if (!w.query_bias.empty()) {
    ops::add_bias(stream_, w.query_bias, query);
    ops::add_bias(stream_, w.key_bias, key);
    ops::add_bias(stream_, w.value_bias, value);
  }
  timer.lap(Operation::qkv);
  if (!w.query_norm.empty()) {
    normalise_heads(w.query_norm, query);
    normalise_heads(w.key_norm, key);
    timer.lap(Operation::norm);
  }
  sequences_.clear();
  for (const Piece& piece : pieces_)
    sequences_.push_back(
        {cache_.view(piece.slot, static_cast<int>(layer)), piece.begin, piece.first_row, piece.rows()});
  ops::rope(stream_, rope_, architecture().rope_style, positions_, query);
  ops::rope(stream_, rope_, architecture().rope_style, positions_, key);
  ops::store_kv(stream_, sequences_, key, value);
  timer.lap(Operation::rope_and_store);
  ops::attention(stream_, sequences_, query, attended);
  timer.lap(Operation::attention);
  workspace_.activations.assign(stream_, attended, needs_blocks(w.attention_output));
  ops::linear(stream_, w.attention_output, workspace_.activations, workspace_.update.rows(piece_rows_));
  timer.lap(Operation::attention_output);
  add_update(timer);
}

/// Every head of a row by itself (Qwen3).
void Transformer::normalise_heads(std::span<const float> weight, MatrixView<float> x) {
  const std::int64_t head_dim = architecture().head_dim;
  const MatrixView<float> heads{x.data, x.rows * (x.cols / head_dim), head_dim};
  ops::rms_norm(stream_, heads, weight, architecture().rms_epsilon, heads);
}

void Transformer::feed_forward(std::size_t layer, LapTimer& timer) {
  const LayerWeights& w = weights_.layers[layer];
  const MatrixView<float> normed = workspace_.normed.rows(piece_rows_);
  const MatrixView<float> gate = workspace_.gate.rows(piece_rows_);
  const MatrixView<float> up = workspace_.up.rows(piece_rows_);
  ops::rms_norm(stream_, workspace_.residual.rows(piece_rows_), w.feed_forward_norm, architecture().rms_epsilon,
                normed);
  workspace_.activations.assign(stream_, normed, needs_blocks(w.gate, w.up));
  timer.lap(Operation::norm);
  ops::linear(stream_, {{{&w.gate, gate}, {&w.up, up}}}, workspace_.activations);
  timer.lap(Operation::gate_and_up);
  ops::swiglu(stream_, gate, up, gate);
  workspace_.activations.assign(stream_, gate, needs_blocks(w.down));
  timer.lap(Operation::swiglu);
  ops::linear(stream_, w.down, workspace_.activations, workspace_.update.rows(piece_rows_));
  timer.lap(Operation::down);
  add_update(timer);
}

/// Adds a block's output to the residual stream; first the ranks' parts of it to one another.
void Transformer::add_update(LapTimer& timer) {
  const MatrixView<float> update = workspace_.update.rows(piece_rows_);
  if (group_) group_->sum_in_rank_order({update.data, static_cast<std::size_t>(update.rows * update.cols)});
  timer.lap(Operation::reduce);
  ops::add(stream_, update, workspace_.residual.rows(piece_rows_));
  timer.lap(Operation::norm);
}

/// The rows whose next token is wanted, normalised, one after another: [outputs, width].
MatrixView<const float> Transformer::normalise_outputs() {
  const MatrixView<float> residual = workspace_.residual.rows(piece_rows_);
  const MatrixView<float> normed = workspace_.normed.rows(piece_rows_);
  std::int64_t outputs = 0;
  for (const Piece& piece : pieces_) {
    if (piece.outputs == 0) continue;
    const std::int64_t first = piece.first_row + piece.rows() - piece.outputs;
    ops::rms_norm(stream_, residual.row_range(first, piece.outputs), weights_.output_norm, architecture().rms_epsilon,
                  normed.row_range(outputs, piece.outputs));
    outputs += piece.outputs;
  }
  return normed.row_range(0, outputs);
}

void Transformer::find_best(MatrixView<const float> outputs, std::span<Token> next) {
  workspace_.activations.assign(stream_, outputs, needs_blocks(weights_.head));
  const std::span<Best> best = std::span(best_).first(next.size());
  ops::linear_argmax(stream_, weights_.head, workspace_.activations, static_cast<Token>(shard_.outputs.begin), best);
  if (group_) group_->best_of_all(best);
  std::ranges::transform(best, next.begin(), [this](const Best& found) { return token_of(found); });
}

Token Transformer::token_of(const Best& best) const {
  return draft_vocabulary_.empty() ? best.token : draft_vocabulary_[static_cast<std::size_t>(best.token)];
}

/// Where the tokens of the chunk are drawn.
void Transformer::note_places() {
  auto place = choosing_->places.begin();
  for (const Piece& piece : pieces_) {
    for (std::int64_t behind = piece.outputs; behind-- > 0;) {  // rows of the piece behind this one
      const auto unseen = std::min(piece.recent.size(), static_cast<std::size_t>(behind));
      *place++ = {piece.sequence, piece.begin + static_cast<Position>(piece.rows() - behind),
                  piece.recent.first(piece.recent.size() - unseen)};
    }
  }
}

/// From whole rows of logits. Every rank looks at those of all, and so chooses the same.
bool Transformer::choose(MatrixView<const float> outputs, std::span<Token> next, const KeepGoing& keep_going,
                         std::span<float> probabilities) {
  LogitBuffers& buffers = *choosing_;
  if (draws_) note_places();
  for (std::int64_t first = 0; first < outputs.rows; first += LogitBuffers::rows) {
    const auto from = static_cast<std::size_t>(first);
    const std::size_t rows = std::min<std::size_t>(LogitBuffers::rows, next.size() - from);
    const MatrixView<float> logits = buffers.logits.rows(static_cast<std::int64_t>(rows));
    if (!write_logits(outputs.row_range(first, logits.rows), keep_going, buffers.own_logits, logits)) return false;
    if (tells_probabilities_) {
      const std::span<Best> best = std::span(best_).first(rows);
      const std::span<float> told = std::span(buffers.probabilities).first(rows);
      ops::most_likely(stream_, logits, best, told);
      std::ranges::transform(best, next.begin() + first, [this](const Best& found) { return token_of(found); });
      if (!probabilities.empty()) std::ranges::copy(told, probabilities.begin() + first);
    }
    if (draws_)
      buffers.sampler.draw(stream_, logits, std::span(buffers.places).subspan(from, rows), next.subspan(from, rows));
  }
  return true;
}

/// Gathers row by row, as the parts of a row lie next to one another only there. `own` has room for this rank's.
/// False: keep_going() answered no.
bool Transformer::write_logits(MatrixView<const float> outputs, const KeepGoing& keep_going, RowBuffer& own,
                               MatrixView<float> out) {
  workspace_.activations.assign(stream_, outputs, needs_blocks(weights_.head));
  const bool has_all = shard_.outputs.size() == output_count_;
  if (has_all) return multiply_head(keep_going, out);
  const MatrixView<float> part = own.rows(outputs.rows);
  if (!multiply_head(keep_going, part)) return false;
  for (std::int64_t r = 0; r < outputs.rows; ++r)
    group_->gather({part.row(r), static_cast<std::size_t>(part.cols)},
                   {out.row(r), static_cast<std::size_t>(out.cols)});
  return true;
}

/// This rank's logits of the activations. The head of a small model takes as long as many of its layers, so one who may
/// have to give up asks several times. False: keep_going() answered no.
bool Transformer::multiply_head(const KeepGoing& keep_going, MatrixView<float> out) {
  const ops::PackedMatrix& head = weights_.head;
  const std::int64_t most =
      keep_going ? head_bytes_at_once / static_cast<std::int64_t>(head.tile_bytes()) : head.tiles();
  for (std::int64_t begin = 0, end = 0; begin < head.tiles(); begin = end) {
    if (begin > 0 && keep_going && !keep_going()) return false;
    end = std::min(begin + std::max<std::int64_t>(most, 1), head.tiles());
    ops::linear_tiles(stream_, head, workspace_.activations, begin, end, out);
  }
  return true;
}

bool Transformer::forward(std::span<const Segment> segments, std::span<Token> next, const KeepGoing& keep_going,
                          std::span<float> probabilities) {
  expect(!group_ || !keep_going, "the ranks of a group run every pass to its end");
  std::size_t wanted = 0;
  for (const Segment& segment : segments) wanted += static_cast<std::size_t>(segment.outputs);
  expect(next.size() == wanted, "there is one place for every wanted token");
  expect(probabilities.empty() || probabilities.size() == wanted, "there is one place for every probability");
  if (!tells_probabilities_) probabilities = {};
  return pass(segments, keep_going, [&](MatrixView<const float> outputs) {
    const auto take = [rows = static_cast<std::size_t>(outputs.rows)](auto& places) {
      const std::size_t count = std::min(rows, places.size());
      return std::exchange(places, places.subspan(count)).first(count);
    };
    const std::span<Token> chosen = take(next);
    if (choosing_) return choose(outputs, chosen, keep_going, take(probabilities));
    find_best(outputs, chosen);
    return true;
  });
}

void Transformer::logits(Slot slot, std::span<const Token> tokens, MatrixView<float> out) {
  const auto rows = static_cast<std::int64_t>(tokens.size());
  expect(out.rows == rows && out.cols == outputs(), "logits are [tokens, outputs]");
  const Segment segment{slot, length(slot), tokens, static_cast<int>(rows)};
  std::int64_t written = 0;
  RowBuffer own(group_ ? chunk_rows : 0, shard_.outputs.size());
  pass(std::span(&segment, 1), {}, [&](MatrixView<const float> outputs) {
    write_logits(outputs, {}, own, out.row_range(written, outputs.rows));
    written += outputs.rows;
    return true;
  });
}

}  // namespace pipespec::model
