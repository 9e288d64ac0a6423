#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/sampler_host.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.hpp"
#include "core/philox.hpp"
#include "ops/argmax.hpp"
#include "ops/argmax_lanes.hpp"
#include "ops/lanes_inl.hpp"
#include "ops/sampler.hpp"

HWY_BEFORE_NAMESPACE();
namespace pipespec::ops::HWY_NAMESPACE {

/// −ln u of u = (x + 0.5)/2^32. Close to 1 it is −ln(1 − v) with v = 1 − u, of which f32 has enough digits.
HWY_INLINE Lanes minus_log_uniform(const std::uint32_t* HWY_RESTRICT words) {
  Lanes nearest, is_upper;
  for (int i = 0; i < parts; ++i) {
    const IntPart x = hn::LoadU(IntTag(), reinterpret_cast<const std::int32_t*>(words) + i * part_lanes);
    const IntPart sign = hn::ShiftRight<31>(x);
    nearest.part[i] = hn::ConvertTo(FloatTag(), hn::Xor(x, sign));  // x, or 2^32 − 1 − x in the upper half
    is_upper.part[i] = hn::ConvertTo(FloatTag(), hn::Neg(sign));
  }
  const Lanes one = broadcast(1.0f), half = broadcast(0.5f), minus = broadcast(-1.0f);
  const Lanes v = fma(nearest, broadcast(0x1p-32f), broadcast(0x1p-33f));
  const Lanes rest = fma(v, minus, one);  // 1 − v, rounded
  const Lanes lower = mul(log(v), minus);
  // ln(1 − v) = ln(rest)·v/(1 − rest): the rounding of 1 − v cancels (Higham, "Accuracy and stability of numerical
  // algorithms", §1.14.1).
  const Lanes lost = fma(rest, minus, one);
  const Lanes corrected = div(mul(mul(log(rest), minus), v), lost);
  const Lanes upper = if_less(zero(), lost, corrected, v);
  return if_less(is_upper, half, lower, upper);
}

/// The random words of the counters (first[i], place).
HWY_INLINE void random_words(const std::uint32_t (&first)[16], const DrawPlace& place, std::uint64_t seed,
                             std::uint32_t (&words)[4][16]) {
  for (int i = 0; i < 16; ++i) {
    words[0][i] = first[i];
    words[1][i] = static_cast<std::uint32_t>(place.position);
    words[2][i] = static_cast<std::uint32_t>(place.sequence);
    words[3][i] = static_cast<std::uint32_t>(place.sequence >> 32);
  }
  philox4x32(words, seed);
}

/// The largest logit·scale + noise so far, of each lane, and its tile of 16 columns.
struct NoisyBest {
  Lanes value, tile;
};

/// Takes the columns of a tile, whose noise is made of these words.
HWY_INLINE void take_tile(const float* HWY_RESTRICT logits, std::int64_t columns, std::int64_t tile, const Lanes& scale,
                          const std::uint32_t* HWY_RESTRICT words, NoisyBest& best) {
  const std::int64_t first = tile * 16;
  const Lanes nothing = broadcast(-std::numeric_limits<float>::infinity()), minus = broadcast(-1.0f);
  const Lanes left = broadcast(static_cast<float>(columns - first));
  const Lanes logit = if_less(lane_numbers(), left, load_first(logits + first, columns - first), nothing);
  const Lanes noise = mul(log(minus_log_uniform(words)), minus);
  const Lanes total = fma(logit, scale, noise);
  best.tile = if_less(best.value, total, broadcast(static_cast<float>(tile)), best.tile);
  best.value = if_less(best.value, total, total, best.value);
}

/// Of column = token: 64 of them share 16 counters.
HWY_INLINE void take_all(const float* HWY_RESTRICT logits, std::int64_t columns, const Lanes& scale, std::uint64_t seed,
                         const DrawPlace& place, NoisyBest& best) {
  for (std::int64_t block = 0; block * 64 < columns; ++block) {
    HWY_ALIGN std::uint32_t counters[16], words[4][16];
    for (int i = 0; i < 16; ++i) counters[i] = static_cast<std::uint32_t>(block * 16 + i);
    random_words(counters, place, seed, words);
    for (int word = 0; word < 4 && block * 64 + word * 16 < columns; ++word)
      take_tile(logits, columns, block * 4 + word, scale, words[word], best);
  }
}

/// Of columns that are the listed tokens.
HWY_INLINE void take_listed(const float* HWY_RESTRICT logits, std::int64_t columns, const Token* HWY_RESTRICT listed,
                            const Lanes& scale, std::uint64_t seed, const DrawPlace& place, NoisyBest& best) {
  for (std::int64_t tile = 0; tile * 16 < columns; ++tile) {
    const auto count = static_cast<int>(std::min<std::int64_t>(16, columns - tile * 16));
    HWY_ALIGN std::uint32_t counters[16] = {}, words[4][16], chosen[16] = {};
    const Token* tokens = listed + tile * 16;
    for (int i = 0; i < count; ++i) counters[i] = static_cast<std::uint32_t>(tokens[i] / 64 * 16 + tokens[i] % 16);
    random_words(counters, place, seed, words);
    for (int i = 0; i < count; ++i) chosen[i] = words[tokens[i] / 16 % 4][i];
    take_tile(logits, columns, tile, scale, chosen, best);
  }
}

/// The column with the largest logit/T + noise; see Sampler. `listed` is null where columns are tokens.
void noisy_argmax(const float* HWY_RESTRICT logits, std::int64_t columns, const Token* HWY_RESTRICT listed,
                  float inverse_temperature, std::uint64_t seed, const DrawPlace& place, Best& found) {
  NoisyBest best{broadcast(-std::numeric_limits<float>::infinity()), zero()};
  const Lanes scale = broadcast(inverse_temperature);
  if (listed)
    take_listed(logits, columns, listed, scale, seed, place, best);
  else
    take_all(logits, columns, scale, seed, place, best);
  LaneBest lanes;
  store(best.value, lanes.value);
  store(best.tile, lanes.tile);
  found = best_of_lanes(lanes, 0, {-std::numeric_limits<float>::infinity(), 0});
}

/// The probability of each candidate, as a share of the largest one's, to `value`.
void take_exponents(Best* candidates, std::int64_t count, float largest, float inverse_temperature) {
  const Lanes shift = broadcast(-largest), scale = broadcast(inverse_temperature);
  for (std::int64_t first = 0; first < count; first += 16) {
    const std::int64_t many = std::min<std::int64_t>(16, count - first);
    HWY_ALIGN float values[16] = {};
    for (std::int64_t i = 0; i < many; ++i) values[i] = candidates[first + i].value;
    store(exp(mul(add(load(values), shift), scale)), values);
    for (std::int64_t i = 0; i < many; ++i) candidates[first + i].value = values[i];
  }
}

}  // namespace pipespec::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pipespec::ops {

HWY_EXPORT(noisy_argmax);
HWY_EXPORT(take_exponents);

Sampler::Sampler(const Sampling& sampling, std::int64_t rows, std::int64_t columns, std::span<const Token> listed)
    : sampling_(sampling), columns_(columns), listed_(listed) {
  expect(sampling.temperature >= 0 && sampling.repetition_penalty > 0, "a temperature is not negative");
  expect(listed.empty() || static_cast<std::int64_t>(listed.size()) == columns, "a token a column");
  if (has_filter()) candidates_.resize(static_cast<std::size_t>(rows * columns));
  if (sampling.is_penalised()) distinct_.resize(static_cast<std::size_t>(rows * sampling.repetition_window));
}

std::int64_t Sampler::bytes(const Sampling& sampling, std::int64_t rows, std::int64_t columns) {
  const Sampler one(sampling, 1, columns);
  return rows * static_cast<std::int64_t>(one.candidates_.size() * sizeof(Best) + one.distinct_.size() * sizeof(Token));
}

void Sampler::draw(device::Stream& stream, MatrixView<float> logits, std::span<const DrawPlace> places,
                   std::span<Token> tokens) {
  expect(logits.cols == columns_ && places.size() == tokens.size() &&
             static_cast<std::size_t>(logits.rows) == tokens.size(),
         "a place and a token for every row of logits");
  stream.pool().parallel_for(logits.rows, [&](std::int64_t row, std::int64_t end) {
    for (; row < end; ++row) {
      const std::span<float> values(logits.row(row), static_cast<std::size_t>(columns_));
      const DrawPlace& place = places[static_cast<std::size_t>(row)];
      if (sampling_.is_penalised())
        penalise(values, place.recent, std::span(distinct_).subspan(row * sampling_.repetition_window));
      Best best{};
      if (sampling_.temperature == 0) {
        argmax({values.data(), 1, columns_}, 0, {&best, 1});
      } else {
        if (has_filter()) filter(values, std::span(candidates_).subspan(row * columns_, columns_));
        HWY_DYNAMIC_DISPATCH(noisy_argmax)
        (values.data(), columns_, listed_.data(), static_cast<float>(1 / sampling_.temperature), sampling_.seed, place,
         best);
      }
      tokens[static_cast<std::size_t>(row)] =
          listed_.empty() ? best.token : listed_[static_cast<std::size_t>(best.token)];
    }
  });
}

/// Keskar et al. 2019 ("CTRL"), a token once however often it was written.
void Sampler::penalise(std::span<float> logits, std::span<const Token> recent, std::span<Token> distinct) const {
  recent = recent.last(std::min(recent.size(), static_cast<std::size_t>(sampling_.repetition_window)));
  distinct = {distinct.begin(), std::ranges::copy(recent, distinct.begin()).out};
  std::ranges::sort(distinct);
  const auto penalty = static_cast<float>(sampling_.repetition_penalty);
  Token last = -1;
  auto place = listed_.begin();
  for (const Token token : distinct) {
    if (token == std::exchange(last, token)) continue;
    std::int64_t column = token;
    if (!listed_.empty()) {
      place = std::lower_bound(place, listed_.end(), token);
      if (place == listed_.end() || *place != token) continue;
      column = place - listed_.begin();
    }
    if (column >= columns_) break;
    float& logit = logits[static_cast<std::size_t>(column)];
    logit = logit > 0 ? logit / penalty : logit * penalty;
  }
}

/// Leaves −∞ where a token is not to be drawn.
void Sampler::filter(std::span<float> logits, std::span<Best> candidates) const {
  for (std::size_t i = 0; i < logits.size(); ++i) candidates[i] = {logits[i], static_cast<Token>(i)};
  std::span<Best> kept = candidates;
  if (sampling_.top_k > 0 && static_cast<std::size_t>(sampling_.top_k) < kept.size()) {
    std::ranges::nth_element(kept, kept.begin() + sampling_.top_k, better);
    kept = kept.first(static_cast<std::size_t>(sampling_.top_k));
  }
  const float largest = std::ranges::min_element(kept, better)->value;
  HWY_DYNAMIC_DISPATCH(take_exponents)
  (kept.data(), static_cast<std::int64_t>(kept.size()), largest, static_cast<float>(1 / sampling_.temperature));
  if (sampling_.top_p < 1) {
    double total = 0;
    std::ranges::sort(kept, {}, &Best::token);  // one order of the sum, whatever nth_element did
    for (const Best& candidate : kept) total += candidate.value;
    double sum = 0;
    std::size_t count = 0, sorted = 0;
    while (count < kept.size() && sum < sampling_.top_p * total) {
      if (count == sorted) {  // few are needed as a rule, so they are sorted some at a time
        constexpr std::size_t some = 64;
        sorted = std::min(kept.size(), std::max(some, sorted * 8));
        std::partial_sort(kept.begin() + count, kept.begin() + sorted, kept.end(), better);
      }
      sum += kept[count++].value;
    }
    kept = kept.first(count);
  }
  std::ranges::sort(kept, {}, &Best::token);
  std::size_t next = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const bool is_kept = next < kept.size() && kept[next].token == static_cast<Token>(i);
    const bool is_likely = is_kept && kept[next].value >= sampling_.min_p;
    next += is_kept;
    if (!is_likely) logits[i] = -std::numeric_limits<float>::infinity();
  }
}

}  // namespace pipespec::ops
#endif
