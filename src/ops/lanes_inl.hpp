/// Sixteen floats at a time on every instruction set, so that sums have one order and one set of bits: one register
/// with AVX-512, two with AVX2, sixteen scalars without vectors. Included once for each of Highway's targets.
// clang-format off
#if defined(PIPESPEC_OPS_LANES_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef PIPESPEC_OPS_LANES_INL_HPP
#undef PIPESPEC_OPS_LANES_INL_HPP
#else
#define PIPESPEC_OPS_LANES_INL_HPP
#endif
// clang-format on

#include <hwy/highway.h>

#include <cmath>
#include <cstdint>

#include "ops/half.hpp"

// Unrolls a short loop, so that what it sums stays in registers; without vectors there would be too many.
#undef PIPESPEC_UNROLL
#if HWY_TARGET == HWY_SCALAR
#define PIPESPEC_UNROLL
#else
#define PIPESPEC_UNROLL HWY_UNROLL(8)
#endif

HWY_BEFORE_NAMESPACE();
namespace pipespec::ops::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::CappedTag<float, 16>;
using IntTag = hn::RebindToSigned<FloatTag>;
using UintTag = hn::RebindToUnsigned<FloatTag>;
using HalfTag = hn::Rebind<hwy::float16_t, FloatTag>;

constexpr int part_lanes = static_cast<int>(hn::MaxLanes(FloatTag()));
constexpr int parts = 16 / part_lanes;

using Part = hn::Vec<FloatTag>;

struct Lanes {
  Part part[parts];
};

/// Applies `f(part index)` to all parts.
template <class F>
HWY_INLINE Lanes each_part(F f) {
  Lanes out;
  PIPESPEC_UNROLL
  for (int i = 0; i < parts; ++i) out.part[i] = f(i);
  return out;
}

HWY_INLINE Lanes broadcast(float x) {
  return each_part([=](int) HWY_ATTR { return hn::Set(FloatTag(), x); });
}
HWY_INLINE Lanes zero() {
  return broadcast(0.0f);
}

/// 16 floats of any alignment.
HWY_INLINE Lanes load(const float* HWY_RESTRICT from) {
  return each_part([=](int i) HWY_ATTR { return hn::LoadU(FloatTag(), from + i * part_lanes); });
}
HWY_INLINE void store(const Lanes& x, float* HWY_RESTRICT to) {
  PIPESPEC_UNROLL
  for (int i = 0; i < parts; ++i) hn::StoreU(x.part[i], FloatTag(), to + i * part_lanes);
}

/// Part i of 16 halves, widened.
HWY_INLINE Part half_part(const std::uint16_t* HWY_RESTRICT from, int i) {
  const std::uint16_t* at = from + i * part_lanes;
#if HWY_TARGET == HWY_SCALAR
  return hn::Set(FloatTag(), half_to_float(*at));
#else
  return hn::PromoteTo(FloatTag(), hn::LoadU(HalfTag(), reinterpret_cast<const hwy::float16_t*>(at)));
#endif
}

/// 16 halves, widened.
HWY_INLINE Lanes load_half(const std::uint16_t* HWY_RESTRICT from) {
  return each_part([=](int i) HWY_ATTR { return half_part(from, i); });
}

/// Part i of 16 small integers.
HWY_INLINE Part integer_part(const std::int8_t* HWY_RESTRICT from, int i) {
  const hn::Rebind<std::int8_t, FloatTag> bytes;
  return hn::ConvertTo(FloatTag(), hn::PromoteTo(IntTag(), hn::LoadU(bytes, from + i * part_lanes)));
}

/// To the nearest halves, ties to even.
HWY_INLINE void store_half(const Lanes& x, std::uint16_t* HWY_RESTRICT to) {
  PIPESPEC_UNROLL
  for (int i = 0; i < parts; ++i) {
#if HWY_TARGET == HWY_SCALAR
    to[i] = float_to_half(hn::GetLane(x.part[i]));
#else
    const HalfTag half;
    hn::StoreU(hn::DemoteTo(half, x.part[i]), half, reinterpret_cast<hwy::float16_t*>(to + i * part_lanes));
#endif
  }
}

/// The first `count` of 16 floats, the others 0.
HWY_INLINE Lanes load_first(const float* HWY_RESTRICT from, std::int64_t count) {
  if (count >= 16) return load(from);
  HWY_ALIGN float padded[16] = {};
  for (std::int64_t i = 0; i < count; ++i) padded[i] = from[i];
  return load(padded);
}
HWY_INLINE void store_first(const Lanes& x, float* HWY_RESTRICT to, std::int64_t count) {
  if (count >= 16) return store(x, to);
  HWY_ALIGN float padded[16];
  store(x, padded);
  for (std::int64_t i = 0; i < count; ++i) to[i] = padded[i];
}

HWY_INLINE Lanes add(const Lanes& a, const Lanes& b) {
  return each_part([&](int i) HWY_ATTR { return hn::Add(a.part[i], b.part[i]); });
}
HWY_INLINE Lanes mul(const Lanes& a, const Lanes& b) {
  return each_part([&](int i) HWY_ATTR { return hn::Mul(a.part[i], b.part[i]); });
}
HWY_INLINE Lanes div(const Lanes& a, const Lanes& b) {
  return each_part([&](int i) HWY_ATTR { return hn::Div(a.part[i], b.part[i]); });
}
HWY_INLINE Lanes max(const Lanes& a, const Lanes& b) {
  return each_part([&](int i) HWY_ATTR { return hn::Max(a.part[i], b.part[i]); });
}
HWY_INLINE Lanes min(const Lanes& a, const Lanes& b) {
  return each_part([&](int i) HWY_ATTR { return hn::Min(a.part[i], b.part[i]); });
}
HWY_INLINE Lanes abs(const Lanes& a) {
  return each_part([&](int i) HWY_ATTR { return hn::Abs(a.part[i]); });
}

/// a·b + c with one rounding, on every instruction set.
HWY_INLINE Part fma_part(const Part& a, const Part& b, const Part& c) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Set(FloatTag(), std::fma(hn::GetLane(a), hn::GetLane(b), hn::GetLane(c)));
#else
  return hn::MulAdd(a, b, c);
#endif
}
HWY_INLINE Lanes fma(const Lanes& a, const Lanes& b, const Lanes& c) {
  return each_part([&](int i) HWY_ATTR { return fma_part(a.part[i], b.part[i], c.part[i]); });
}

/// Lane by lane: a < b ? yes : no.
HWY_INLINE Lanes if_less(const Lanes& a, const Lanes& b, const Lanes& yes, const Lanes& no) {
  return each_part([&](int i)
                       HWY_ATTR { return hn::IfThenElse(hn::Lt(a.part[i], b.part[i]), yes.part[i], no.part[i]); });
}

/// 0, 1, … 15
HWY_INLINE Lanes lane_numbers() {
  return each_part([](int i) HWY_ATTR { return hn::Iota(FloatTag(), static_cast<float>(i * part_lanes)); });
}

using IntPart = hn::Vec<IntTag>;

/// Nearest integers, ties to even, of values that an int32 holds.
HWY_INLINE IntPart nearest_part(const Part& x) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Set(IntTag(), static_cast<std::int32_t>(std::lrintf(hn::GetLane(x))));
#else
  return hn::NearestInt(x);
#endif
}
HWY_INLINE void store_nearest(const Lanes& x, std::int32_t* HWY_RESTRICT to) {
  PIPESPEC_UNROLL
  for (int i = 0; i < parts; ++i) hn::StoreU(nearest_part(x.part[i]), IntTag(), to + i * part_lanes);
}

/// Integers of 8 bits.
HWY_INLINE void store_bytes(const IntPart& x, std::int8_t* HWY_RESTRICT to) {
  const hn::Rebind<std::int8_t, IntTag> bytes;
  hn::StoreU(hn::DemoteTo(bytes, x), bytes, to);
}

/// Combines the lanes in a fixed order: neighbours 8 apart, then 4, 2, 1.
template <class Combine>
HWY_INLINE float fold_lanes(const Lanes& x, const Combine& combine) {
#if HWY_TARGET == HWY_SCALAR
  Lanes fold = x;
  for (int step = 8; step >= 1; step /= 2)
    for (int i = 0; i < step; ++i) fold.part[i] = combine(fold.part[i], fold.part[i + step]);
  return hn::GetLane(fold.part[0]);
#else
  static_assert(parts <= 2, "vectors of 8 or 16 floats");
  const hn::CappedTag<float, 8> eight;
  const hn::CappedTag<float, 4> four;
#if HWY_TARGET == HWY_AVX2
  const auto of_eight = combine(x.part[0], x.part[1]);
#else
  const auto of_eight = combine(hn::LowerHalf(eight, x.part[0]), hn::UpperHalf(eight, x.part[0]));
#endif
  const auto of_four = combine(hn::LowerHalf(four, of_eight), hn::UpperHalf(four, of_eight));
  const auto of_two = combine(of_four, hn::Shuffle1032(of_four));
  return hn::GetLane(combine(of_two, hn::Shuffle2301(of_two)));
#endif
}

HWY_INLINE float sum_of_lanes(const Lanes& x) {
  return fold_lanes(x, [](auto a, auto b) HWY_ATTR { return hn::Add(a, b); });
}
HWY_INLINE float max_of_lanes(const Lanes& x) {
  return fold_lanes(x, [](auto a, auto b) HWY_ATTR { return hn::Max(a, b); });
}

/// e^x within 2 units in the last place for −87 ≤ x ≤ 88; beyond, as at the bounds. Cody and Waite's reduction
/// x = n·ln 2 + r, |r| ≤ ln 2 / 2, and the Taylor polynomial of degree 7 of e^r, whose remainder is below 2^-27.
HWY_INLINE Lanes exp(const Lanes& argument) {
  const Lanes x = min(max(argument, broadcast(-87.0f)), broadcast(88.0f));
  // Adding and taking 1.5·2^23 off rounds to the nearest integer and leaves it in the low mantissa bits.
  const Lanes magic = broadcast(0x1.8p23f);
  const Lanes shifted = fma(x, broadcast(1.44269504f), magic);
  const Lanes n = add(shifted, broadcast(-0x1.8p23f));
  Lanes r = fma(n, broadcast(-0.693359375f), x);
  r = fma(n, broadcast(2.12194440e-4f), r);
  Lanes p = broadcast(1.0f / 5040);
  p = fma(p, r, broadcast(1.0f / 720));
  p = fma(p, r, broadcast(1.0f / 120));
  p = fma(p, r, broadcast(1.0f / 24));
  p = fma(p, r, broadcast(1.0f / 6));
  p = fma(p, r, broadcast(0.5f));
  p = fma(p, r, broadcast(1.0f));
  p = fma(p, r, broadcast(1.0f));
  return each_part([&](int i) HWY_ATTR {  // times 2^n: n added to the exponent
    const UintTag bits;
    const auto exponent = hn::ShiftLeft<23>(hn::BitCast(bits, shifted.part[i]));
    return hn::BitCast(FloatTag(), hn::Add(hn::BitCast(bits, p.part[i]), exponent));
  });
}

/// ln x within 2 units in the last place, of normal x > 0: x = 2^n·m, √½ ≤ m < √2, and ln m = 2·artanh(s), s = (m −
/// 1)/(m + 1), by the series of artanh, whose remainder is below 2^-26 of it.
HWY_INLINE Lanes log(const Lanes& x) {
  Lanes exponent, mantissa;
  for (int i = 0; i < parts; ++i) {
    constexpr std::int32_t root_half = 0x3F3504F3;  // the bits of √½
    const IntPart bits = hn::Sub(hn::BitCast(IntTag(), x.part[i]), hn::Set(IntTag(), root_half));
    const IntPart n = hn::ShiftRight<23>(bits);
    const IntPart m = hn::Sub(hn::BitCast(IntTag(), x.part[i]), hn::ShiftLeft<23>(n));
    exponent.part[i] = hn::ConvertTo(FloatTag(), n);
    mantissa.part[i] = hn::BitCast(FloatTag(), m);
  }
  const Lanes one = broadcast(1.0f);
  const Lanes f = add(mantissa, broadcast(-1.0f));
  const Lanes s = div(f, add(mantissa, one));
  const Lanes z = mul(s, s);
  Lanes p = broadcast(2.0f / 11);
  p = fma(p, z, broadcast(2.0f / 9));
  p = fma(p, z, broadcast(2.0f / 7));
  p = fma(p, z, broadcast(2.0f / 5));
  p = fma(p, z, broadcast(2.0f / 3));
  p = mul(p, z);
  const Lanes tail = fma(s, p, mul(exponent, broadcast(-2.12194440e-4f)));
  return fma(exponent, broadcast(0.693359375f), add(add(s, s), tail));
}

}  // namespace pipespec::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
