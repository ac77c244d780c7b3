// SPDX-License-Identifier: Apache-2.0
// Vectors of 16 lanes, the type `Vec` on which all kernels of this folder work: one register of AVX-512, two of AVX2, or
// four of 128 bits (NEON, WebAssembly, SSE). The compiler's flags choose; the kernels are the same.
//
// Everything here and in the kernels is in an unnamed namespace: a program may hold them compiled for several processors.

#pragma once

#if defined(__GNUC__)  // GCC and Clang: the kernels use their attributes and vector types
#define CONV_TILES 1
#define CONV_TILES_INLINE inline __attribute__((always_inline))

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#include "lanes_avx512.hpp"
#elif defined(__AVX2__) && defined(__FMA__)
#include "lanes_avx2.hpp"
#else
#include "lanes_128.hpp"
#endif

namespace conv_tiles {
namespace {

constexpr int LANES = 16;
constexpr int BLOCK = 8;  // channels that lie side by side in OpenCV's block layout

CONV_TILES_INLINE void prefetch(const float* p) { __builtin_prefetch(p); }

// 2^f for 0 <= f < 1, within 2e-7.
CONV_TILES_INLINE Vec powerOfFraction(Vec f) {
    Vec p = all(1.877576e-3f);
    p = madd(p, f, all(8.989342e-3f));
    p = madd(p, f, all(5.5826318e-2f));
    p = madd(p, f, all(2.4015361e-1f));
    p = madd(p, f, all(6.931531e-1f));
    return madd(p, f, all(9.9999994e-1f));
}

// x / (1 + e^-x); 0 below -87, where it is closer to 0 than 2e-36, and so for -inf, too. NaN stays NaN.
CONV_TILES_INLINE Vec silu(Vec x) {
    const Vec y = clamped(mul(x, all(-1.44269504088896341f)));
    Vec whole;
    const Vec fraction = split(y, whole);
    const Vec e = scaledByPower(powerOfFraction(fraction), whole);
    return zeroBelow(x, all(-87.f), quotient(x, add(e, all(1.f))));
}

}  // namespace
}  // namespace conv_tiles

#endif  // __GNUC__
