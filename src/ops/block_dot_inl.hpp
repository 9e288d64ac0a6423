/// Dot products of a block of weight codes, 32 inputs × 16 outputs, with 8-bit activations. Exact integer sums, so all
/// instruction sets agree; what differs is how the products are formed. Included once for each of Highway's targets.
// clang-format off
#if defined(PIPESPEC_OPS_BLOCK_DOT_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef PIPESPEC_OPS_BLOCK_DOT_INL_HPP
#undef PIPESPEC_OPS_BLOCK_DOT_INL_HPP
#else
#define PIPESPEC_OPS_BLOCK_DOT_INL_HPP
#endif
// clang-format on

#include <hwy/highway.h>

#include <cstdint>
#include <cstring>

#include "ops/activations.hpp"
#include "ops/lanes_inl.hpp"
#include "ops/packed_matrix.hpp"

#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX2
#include <immintrin.h>
#endif

HWY_BEFORE_NAMESPACE();
#if HWY_TARGET == HWY_AVX3_DL
#pragma GCC push_options
#pragma GCC target("avx512vnni")  // Highway checks for it but does not ask the compiler for it
#endif
namespace pipespec::ops::HWY_NAMESPACE {

/// Bytes of the stored codes of 32 inputs × 16 outputs.
constexpr std::int64_t code_bytes(WeightType type) {
  return 64 * tile_format(type).code_bits;
}

/// Four consecutive activations.
HWY_INLINE std::int32_t four_codes(const std::int8_t* HWY_RESTRICT from) {
  std::int32_t four;
  std::memcpy(&four, from, 4);
  return four;
}

/// Where the scales and minima of a block's 16 outputs lie; see TileFormat.
struct BlockScales {
  const std::uint16_t* d;      // [16] f16
  const std::uint16_t* m;      // [16] f16, read only where the type has minima
  const std::int8_t* factors;  // [factors][16], read only where the type has super-blocks
};

/// Part i of the outputs' scale s, of which there are TileFormat::scales.
template <WeightType type>
HWY_INLINE Part scale_part(const BlockScales& scales, int s, int i) {
  const Part d = half_part(scales.d, i);
  if constexpr (tile_format(type).factors() == 0) return d;
  return hn::Mul(d, integer_part(scales.factors + s * 16, i));
}

/// Part i of the outputs' minimum.
template <WeightType type>
HWY_INLINE Part minimum_part(const BlockScales& scales, int i) {
  const Part m = half_part(scales.m, i);
  if constexpr (tile_format(type).factors() == 0) return m;
  return hn::Mul(m, integer_part(scales.factors + tile_format(type).scales * 16, i));
}

/// What the zero point adds to the dot product of row r with the inputs of scale s.
template <WeightType type>
HWY_INLINE std::int32_t zero_point_term(const ActivationBlock& x, int s, int r) {
  constexpr TileFormat format = tile_format(type);
  if constexpr (format.scales == 1) return x.negative_sum[r] * format.zero_point;
  const std::int32_t first = x.negative_first_sum[r];
  return (s == 0 ? first : x.negative_sum[r] - first) * format.zero_point;
}

// block_dots<type>(stored, x, s, part, dots): of every row, part `part` of the 16 outputs' dot products
//     dot = Σ (code − zero point)·activation
// over the inputs of scale s (all 32, or 16 where there are two scales), exact. `stored` holds unsigned codes, 64-byte
// aligned.

#if HWY_TARGET == HWY_AVX3_DL

/// Partial sums of a dot product, added up at its end: with few rows, one sum's latency would be what the block takes.
template <int rows>
constexpr int partial_sums = rows == 1   ? 4
                             : rows == 2 ? 2
                                         : 1;

/// _mm512_dpbusd_epi32(sum, codes, four activations in every lane). As one instruction: GCC 12 would broadcast the
/// activations into a register before, which costs as much again where there are many rows.
HWY_INLINE __m512i add_products(__m512i sum, __m512i codes, const std::int8_t* four) {
  asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(codes), "m"(*reinterpret_cast<const std::int8_t(*)[4]>(four)));
  return sum;
}

template <WeightType type, int rows>
HWY_INLINE void block_dots(const std::uint8_t* HWY_RESTRICT stored, const ActivationBlock& x, int s, int /*part*/,
                           IntPart (&dots)[rows]) {
  constexpr TileFormat format = tile_format(type);
  constexpr int steps = 8 / format.scales;  // of four inputs, that share a scale
  __m512i codes[8];                         // four inputs of 16 outputs each
  PIPESPEC_UNROLL
  for (int i = 0; i < format.code_bits; ++i) {
    const __m512i loaded = _mm512_load_si512(stored + i * 64);
    if constexpr (format.code_bits == 4) {
      const __m512i low_half = _mm512_set1_epi8(0x0F);
      codes[i] = _mm512_and_si512(loaded, low_half);
      codes[i + 4] = _mm512_and_si512(_mm512_srli_epi16(loaded, 4), low_half);
    } else {
      codes[i] = loaded;
    }
  }
  PIPESPEC_UNROLL
  for (int r = 0; r < rows; ++r) {
    __m512i sum[partial_sums<rows>] = {_mm512_set1_epi32(zero_point_term<type>(x, s, r))};
    PIPESPEC_UNROLL
    for (int i = 0; i < steps; ++i) {
      __m512i& to = sum[i % partial_sums<rows>];
      const int step = s * steps + i;
      to = add_products(to, codes[step], x.codes[r] + 4 * step);
    }
    PIPESPEC_UNROLL
    for (int i = 1; i < partial_sums<rows>; ++i) sum[0] = _mm512_add_epi32(sum[0], sum[i]);
    dots[r].raw = sum[0];
  }
}

#elif HWY_TARGET == HWY_AVX2

// Eight outputs, half a tile, at a time: the sums of eight rows and the codes then fit the registers. The loops over
// the codes are kept loops: unrolled, the compiler sums row by row and spills the codes of all steps.

/// 4-bit codes: products are summed in 16 bits, where eight pairs are at most 8·2·15·127 = 30480.
template <WeightType type, int rows>
HWY_INLINE void dots_of_four_bits(const std::uint8_t* HWY_RESTRICT stored, const ActivationBlock& x,
                                  IntPart (&dots)[rows]) {
  const __m256i low_half = _mm256_set1_epi8(0x0F);
  __m256i pairs[rows];
  for (auto& row : pairs) row = _mm256_setzero_si256();
  HWY_UNROLL(1)
  for (int i = 0; i < 4; ++i) {
    const __m256i loaded = _mm256_load_si256(reinterpret_cast<const __m256i*>(stored + i * 64));
    const __m256i low = _mm256_and_si256(loaded, low_half);
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(loaded, 4), low_half);
    PIPESPEC_UNROLL
    for (int r = 0; r < rows; ++r) {
      const __m256i a = _mm256_set1_epi32(four_codes(x.codes[r] + 4 * i));
      const __m256i b = _mm256_set1_epi32(four_codes(x.codes[r] + 4 * i + 16));
      pairs[r] = _mm256_add_epi16(pairs[r], _mm256_maddubs_epi16(low, a));
      pairs[r] = _mm256_add_epi16(pairs[r], _mm256_maddubs_epi16(high, b));
    }
  }
  const __m256i ones = _mm256_set1_epi16(1);
  PIPESPEC_UNROLL
  for (int r = 0; r < rows; ++r) {
    dots[r].raw = _mm256_madd_epi16(pairs[r], ones);
    if constexpr (tile_format(type).zero_point != 0)
      dots[r].raw = _mm256_add_epi32(dots[r].raw, _mm256_set1_epi32(zero_point_term<type>(x, 0, r)));
  }
}

/// 8-bit codes of the inputs of scale s, made signed again, so that no zero point is left: |w|·(sign(w)·a), where one
/// pair in 16 bits is at most 2·128·127 = 32512.
template <WeightType type, int rows>
HWY_INLINE void dots_of_eight_bits(const std::uint8_t* HWY_RESTRICT stored, const ActivationBlock& x, int s,
                                   IntPart (&dots)[rows]) {
  constexpr int steps = 8 / tile_format(type).scales;
  const __m256i middle = _mm256_set1_epi8(-128), ones = _mm256_set1_epi16(1);
  for (auto& row : dots) row.raw = _mm256_setzero_si256();
  HWY_UNROLL(1)
  for (int i = s * steps; i < (s + 1) * steps; ++i) {
    const __m256i w = _mm256_xor_si256(_mm256_load_si256(reinterpret_cast<const __m256i*>(stored + i * 64)), middle);
    const __m256i size = _mm256_abs_epi8(w);
    PIPESPEC_UNROLL
    for (int r = 0; r < rows; ++r) {
      const __m256i a = _mm256_set1_epi32(four_codes(x.codes[r] + 4 * i));
      const __m256i products = _mm256_maddubs_epi16(size, _mm256_sign_epi8(a, w));
      dots[r].raw = _mm256_add_epi32(dots[r].raw, _mm256_madd_epi16(products, ones));
    }
  }
}

template <WeightType type, int rows>
HWY_INLINE void block_dots(const std::uint8_t* HWY_RESTRICT stored, const ActivationBlock& x, int s, int part,
                           IntPart (&dots)[rows]) {
  if constexpr (tile_format(type).code_bits == 4) {
    dots_of_four_bits<type>(stored + part * 32, x, dots);
  } else {
    dots_of_eight_bits<type>(stored + part * 32, x, s, dots);
  }
}

#else  // any processor

template <WeightType type, int rows>
void block_dots(const std::uint8_t* HWY_RESTRICT stored, const ActivationBlock& x, int s, int part,
                IntPart (&dots)[rows]) {
  constexpr TileFormat format = tile_format(type);
  constexpr int inputs = 32 / format.scales;       // that share a scale
  const auto code = [stored](int k, int output) {  // of input k
    if constexpr (format.code_bits == 8) return int{stored[k / 4 * 64 + output * 4 + k % 4]};
    const int both = stored[k % 16 / 4 * 64 + output * 4 + k % 4];
    return k < 16 ? both & 0x0F : both >> 4;
  };
  for (int r = 0; r < rows; ++r) {
    HWY_ALIGN std::int32_t sums[part_lanes];
    for (int lane = 0; lane < part_lanes; ++lane) {
      sums[lane] = zero_point_term<type>(x, s, r);
      for (int k = s * inputs; k < (s + 1) * inputs; ++k)
        sums[lane] += code(k, part * part_lanes + lane) * x.codes[r][k];
    }
    dots[r] = hn::Load(IntTag(), sums);
  }
}

#endif

/// Adds the products of a block to the sums of every row r: for each scale s, with its dot products (below 2^24, so
/// that a float holds them),
///     sums[r] = fma(dot, scale_s·scale[r], sums[r]), and then fma(minimum, scaled_sum[r], sums[r]).
template <WeightType type, int rows>
HWY_INLINE void add_block(const std::uint8_t* HWY_RESTRICT stored, const BlockScales& scales, const ActivationBlock& x,
                          Lanes (&sums)[rows]) {
  constexpr TileFormat format = tile_format(type);
  static_assert(format.scales == 1 || !format.has_minimum, "a minimum is added once");
  HWY_UNROLL(1)
  for (int i = 0; i < parts; ++i) {
    HWY_UNROLL(1)
    for (int s = 0; s < format.scales; ++s) {
      IntPart dots[rows];
      block_dots<type>(stored, x, s, i, dots);
      const Part scale = scale_part<type>(scales, s, i);
      Part minimum = scale;
      if constexpr (format.has_minimum) minimum = minimum_part<type>(scales, i);
      PIPESPEC_UNROLL
      for (int r = 0; r < rows; ++r) {
        Part& sum = sums[r].part[i];
        const Part row_scale = hn::Mul(scale, hn::Set(FloatTag(), x.scale[r]));
        sum = fma_part(hn::ConvertTo(FloatTag(), dots[r]), row_scale, sum);
        if constexpr (format.has_minimum) sum = fma_part(minimum, hn::Set(FloatTag(), x.scaled_sum[r]), sum);
      }
    }
  }
}

}  // namespace pipespec::ops::HWY_NAMESPACE
#if HWY_TARGET == HWY_AVX3_DL
#pragma GCC pop_options
#endif
HWY_AFTER_NAMESPACE();

#endif
