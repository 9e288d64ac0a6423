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

#if HWY_TARGET == HWY_AVX3_DL

/// The unsigned codes of a block, four inputs of 16 outputs a register.
template <CodeBits bits>
struct BlockCodes {
  __m512i quad[8];

  HWY_INLINE explicit BlockCodes(const std::uint8_t* HWY_RESTRICT stored) {
    PIPESPEC_UNROLL
    for (int i = 0; i < (bits == CodeBits::four ? 4 : 8); ++i) {
      const __m512i codes = _mm512_load_si512(stored + i * 64);
      if constexpr (bits == CodeBits::four) {
        const __m512i low_half = _mm512_set1_epi8(0x0F);
        quad[i] = _mm512_and_si512(codes, low_half);
        quad[i + 4] = _mm512_and_si512(_mm512_srli_epi16(codes, 4), low_half);
      } else {
        quad[i] = codes;
      }
    }
  }
};

/// Per output: start + Σ code·activation over the 32 inputs, as float (exact: below 2^24).
template <CodeBits bits>
HWY_INLINE Lanes dot(const BlockCodes<bits>& codes, const std::int8_t* HWY_RESTRICT activations, std::int32_t start) {
  __m512i sum = _mm512_set1_epi32(start);
  PIPESPEC_UNROLL
  for (int i = 0; i < 8; ++i)
    sum = _mm512_dpbusd_epi32(sum, codes.quad[i], _mm512_set1_epi32(four_codes(activations + 4 * i)));
  Lanes out;
  out.part[0].raw = _mm512_cvtepi32_ps(sum);
  return out;
}

#elif HWY_TARGET == HWY_AVX2

/// The codes of a block, four inputs of eight outputs a register: unsigned of 4 bits, signed of 8 bits.
template <CodeBits bits>
struct BlockCodes {
  __m256i quad[8][2];

  HWY_INLINE explicit BlockCodes(const std::uint8_t* HWY_RESTRICT stored) {
    PIPESPEC_UNROLL
    for (int i = 0; i < (bits == CodeBits::four ? 4 : 8); ++i) {
      PIPESPEC_UNROLL
      for (int half = 0; half < 2; ++half) {
        const __m256i codes = _mm256_load_si256(reinterpret_cast<const __m256i*>(stored + i * 64 + half * 32));
        if constexpr (bits == CodeBits::four) {
          const __m256i low_half = _mm256_set1_epi8(0x0F);
          quad[i][half] = _mm256_and_si256(codes, low_half);
          quad[i + 4][half] = _mm256_and_si256(_mm256_srli_epi16(codes, 4), low_half);
        } else {
          quad[i][half] = _mm256_xor_si256(codes, _mm256_set1_epi8(-128));
        }
      }
    }
  }
};

/// Sums of eight outputs. The 16-bit sums of pairs cannot overflow: with 4-bit codes eight pairs are at most
/// 8·2·15·127 = 30480; with 8-bit codes one pair is at most 2·128·127 = 32512.
template <CodeBits bits>
HWY_INLINE __m256i dot_half(const BlockCodes<bits>& codes, int half, const std::int8_t* HWY_RESTRICT activations,
                            std::int32_t start) {
  const __m256i ones = _mm256_set1_epi16(1);
  if constexpr (bits == CodeBits::four) {
    __m256i pairs = _mm256_setzero_si256();
    PIPESPEC_UNROLL
    for (int i = 0; i < 8; ++i) {
      const __m256i a = _mm256_set1_epi32(four_codes(activations + 4 * i));
      pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(codes.quad[i][half], a));
    }
    return _mm256_add_epi32(_mm256_set1_epi32(start), _mm256_madd_epi16(pairs, ones));
  } else {  // |w|·(sign(w)·a); the activations' sums are not needed, for w is signed here
    __m256i sum = _mm256_setzero_si256();
    PIPESPEC_UNROLL
    for (int i = 0; i < 8; ++i) {
      const __m256i w = codes.quad[i][half];
      const __m256i a = _mm256_sign_epi8(_mm256_set1_epi32(four_codes(activations + 4 * i)), w);
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(w), a), ones));
    }
    return sum;
  }
}

template <CodeBits bits>
HWY_INLINE Lanes dot(const BlockCodes<bits>& codes, const std::int8_t* HWY_RESTRICT activations, std::int32_t start) {
  const __m256 low = _mm256_cvtepi32_ps(dot_half(codes, 0, activations, start));
  const __m256 high = _mm256_cvtepi32_ps(dot_half(codes, 1, activations, start));
  Lanes out;
  out.part[0].raw = low;
  out.part[1].raw = high;
  return out;
}

#else  // any processor

template <CodeBits bits>
struct BlockCodes {
  std::uint8_t quad[8][16][4];

  explicit BlockCodes(const std::uint8_t* HWY_RESTRICT stored) {
    if constexpr (bits == CodeBits::eight) {
      std::memcpy(quad, stored, sizeof quad);
    } else {
      std::uint8_t* low = quad[0][0];
      std::uint8_t* high = quad[4][0];
      for (int i = 0; i < 256; ++i) {
        low[i] = stored[i] & 0x0F;
        high[i] = stored[i] >> 4;
      }
    }
  }
};

template <CodeBits bits>
Lanes dot(const BlockCodes<bits>& codes, const std::int8_t* HWY_RESTRICT activations, std::int32_t start) {
  float sums[16];
  for (int output = 0; output < 16; ++output) {
    std::int32_t sum = start;
    for (int k = 0; k < 32; ++k) sum += codes.quad[k / 4][output][k % 4] * activations[k];
    sums[output] = static_cast<float>(sum);
  }
  return load(sums);
}

#endif

}  // namespace pipespec::ops::HWY_NAMESPACE
#if HWY_TARGET == HWY_AVX3_DL
#pragma GCC pop_options
#endif
HWY_AFTER_NAMESPACE();

#endif
