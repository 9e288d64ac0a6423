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

#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX2
#include <immintrin.h>
#endif

HWY_BEFORE_NAMESPACE();
#if HWY_TARGET == HWY_AVX3_DL
#pragma GCC push_options
#pragma GCC target("avx512vnni")  // Highway checks for it but does not ask the compiler for it
#endif
namespace pipespec::ops::HWY_NAMESPACE {

/// How the codes of a block are stored in a tile (packed_matrix.hpp).
enum class CodeBits { four, eight };

/// Bytes of the stored codes of 32 inputs × 16 outputs.
constexpr std::int64_t code_bytes(CodeBits bits) {
  return bits == CodeBits::four ? 256 : 512;
}

/// Four consecutive activations.
HWY_INLINE std::int32_t four_codes(const std::int8_t* HWY_RESTRICT from) {
  std::int32_t four;
  std::memcpy(&four, from, 4);
  return four;
}

// dots<bits, zero_point>(stored, x, sums): per output and row r, sums[r] = Σ (code − zero point)·activation over the 32
// inputs, as float (exact: below 2^24). `stored` holds unsigned codes, 64-byte aligned.

#if HWY_TARGET == HWY_AVX3_DL

template <CodeBits bits, int zero_point, int rows>
HWY_INLINE void dots(const std::uint8_t* HWY_RESTRICT stored, const ActivationBlock& x, Lanes (&sums)[rows]) {
  __m512i codes[8];  // four inputs of 16 outputs each
  PIPESPEC_UNROLL
  for (int i = 0; i < (bits == CodeBits::four ? 4 : 8); ++i) {
    const __m512i loaded = _mm512_load_si512(stored + i * 64);
    if constexpr (bits == CodeBits::four) {
      const __m512i low_half = _mm512_set1_epi8(0x0F);
      codes[i] = _mm512_and_si512(loaded, low_half);
      codes[i + 4] = _mm512_and_si512(_mm512_srli_epi16(loaded, 4), low_half);
    } else {
      codes[i] = loaded;
    }
  }
  PIPESPEC_UNROLL
  for (int r = 0; r < rows; ++r) {
    __m512i sum = _mm512_set1_epi32(x.negative_sum[r] * zero_point);
    PIPESPEC_UNROLL
    for (int i = 0; i < 8; ++i)
      sum = _mm512_dpbusd_epi32(sum, codes[i], _mm512_set1_epi32(four_codes(x.codes[r] + 4 * i)));
    sums[r].part[0].raw = _mm512_cvtepi32_ps(sum);
  }
}

#elif HWY_TARGET == HWY_AVX2

/// Rows that go together: the sums of their two halves must fit the registers beside the codes. For the same reason the
/// loop over the codes is kept a loop: unrolled, the compiler sums row by row and spills the codes of all steps.
constexpr int rows_of_dots = 4;

/// 4-bit codes: products are summed in 16 bits, where eight pairs are at most 8·2·15·127 = 30480.
template <int zero_point, int rows>
HWY_INLINE void dots_of_four_bits(const std::uint8_t* HWY_RESTRICT stored, const ActivationBlock& x, int first_row,
                                  Lanes* HWY_RESTRICT sums) {
  const __m256i low_half = _mm256_set1_epi8(0x0F), ones = _mm256_set1_epi16(1);
  __m256i pairs[rows][2];
  for (auto& row : pairs) row[0] = row[1] = _mm256_setzero_si256();
  HWY_UNROLL(1)
  for (int i = 0; i < 4; ++i) {
    const auto* at = reinterpret_cast<const __m256i*>(stored + i * 64);
    const __m256i loaded[2] = {_mm256_load_si256(at), _mm256_load_si256(at + 1)};
    const __m256i low[2] = {_mm256_and_si256(loaded[0], low_half), _mm256_and_si256(loaded[1], low_half)};
    const __m256i high[2] = {_mm256_and_si256(_mm256_srli_epi16(loaded[0], 4), low_half),
                             _mm256_and_si256(_mm256_srli_epi16(loaded[1], 4), low_half)};
    PIPESPEC_UNROLL
    for (int r = 0; r < rows; ++r) {
      const __m256i a = _mm256_set1_epi32(four_codes(x.codes[first_row + r] + 4 * i));
      const __m256i b = _mm256_set1_epi32(four_codes(x.codes[first_row + r] + 4 * i + 16));
      PIPESPEC_UNROLL
      for (int half = 0; half < 2; ++half) {
        pairs[r][half] = _mm256_add_epi16(pairs[r][half], _mm256_maddubs_epi16(low[half], a));
        pairs[r][half] = _mm256_add_epi16(pairs[r][half], _mm256_maddubs_epi16(high[half], b));
      }
    }
  }
  PIPESPEC_UNROLL
  for (int r = 0; r < rows; ++r) {
    const __m256i start = _mm256_set1_epi32(x.negative_sum[first_row + r] * zero_point);
    for (int half = 0; half < 2; ++half)
      sums[r].part[half].raw = _mm256_cvtepi32_ps(_mm256_add_epi32(start, _mm256_madd_epi16(pairs[r][half], ones)));
  }
}

/// 8-bit codes, made signed again, so that no zero point is left: |w|·(sign(w)·a), where one pair in 16 bits is at most
/// 2·128·127 = 32512.
template <int rows>
HWY_INLINE void dots_of_eight_bits(const std::uint8_t* HWY_RESTRICT stored, const ActivationBlock& x, int first_row,
                                   Lanes* HWY_RESTRICT sums) {
  const __m256i middle = _mm256_set1_epi8(-128), ones = _mm256_set1_epi16(1);
  __m256i sum[rows][2];
  for (auto& row : sum) row[0] = row[1] = _mm256_setzero_si256();
  HWY_UNROLL(1)
  for (int i = 0; i < 8; ++i) {
    PIPESPEC_UNROLL
    for (int half = 0; half < 2; ++half) {
      const auto* at = reinterpret_cast<const __m256i*>(stored + i * 64 + half * 32);
      const __m256i w = _mm256_xor_si256(_mm256_load_si256(at), middle), size = _mm256_abs_epi8(w);
      PIPESPEC_UNROLL
      for (int r = 0; r < rows; ++r) {
        const __m256i a = _mm256_set1_epi32(four_codes(x.codes[first_row + r] + 4 * i));
        const __m256i products = _mm256_maddubs_epi16(size, _mm256_sign_epi8(a, w));
        sum[r][half] = _mm256_add_epi32(sum[r][half], _mm256_madd_epi16(products, ones));
      }
    }
  }
  for (int r = 0; r < rows; ++r)
    for (int half = 0; half < 2; ++half) sums[r].part[half].raw = _mm256_cvtepi32_ps(sum[r][half]);
}

template <CodeBits bits, int zero_point, int rows>
HWY_INLINE void dots(const std::uint8_t* HWY_RESTRICT stored, const ActivationBlock& x, Lanes (&sums)[rows]) {
  constexpr int few = rows < rows_of_dots ? rows : rows_of_dots;
  if constexpr (bits == CodeBits::four) {
    dots_of_four_bits<zero_point, few>(stored, x, 0, sums);
    if constexpr (rows > few) dots_of_four_bits<zero_point, rows - few>(stored, x, few, sums + few);
  } else {
    dots_of_eight_bits<few>(stored, x, 0, sums);
    if constexpr (rows > few) dots_of_eight_bits<rows - few>(stored, x, few, sums + few);
  }
}

#else  // any processor

template <CodeBits bits, int zero_point, int rows>
void dots(const std::uint8_t* HWY_RESTRICT stored, const ActivationBlock& x, Lanes (&sums)[rows]) {
  const auto code = [stored](int k, int output) {  // of input k
    if constexpr (bits == CodeBits::eight) return int{stored[k / 4 * 64 + output * 4 + k % 4]};
    const int both = stored[k % 16 / 4 * 64 + output * 4 + k % 4];
    return k < 16 ? both & 0x0F : both >> 4;
  };
  for (int r = 0; r < rows; ++r) {
    float row_sums[16];
    for (int output = 0; output < 16; ++output) {
      std::int32_t sum = x.negative_sum[r] * zero_point;
      for (int k = 0; k < 32; ++k) sum += code(k, output) * x.codes[r][k];
      row_sums[output] = static_cast<float>(sum);
    }
    sums[r] = load(row_sums);
  }
}

#endif

}  // namespace pipespec::ops::HWY_NAMESPACE
#if HWY_TARGET == HWY_AVX3_DL
#pragma GCC pop_options
#endif
HWY_AFTER_NAMESPACE();

#endif
