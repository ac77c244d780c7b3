// SPDX-License-Identifier: Apache-2.0
// 16 lanes as one register of AVX-512 (F and DQ). See lanes.hpp.

#pragma once
#include <immintrin.h>

#include <cstddef>

namespace conv_tiles {
namespace {

typedef __m512 Vec;
constexpr int WIDE = 2;          // vectors of output channels that a tile has
constexpr int GEMM_ROWS = 13;    // 26 of 32 registers are sums
constexpr int TILE_PIXELS = 10;  // rows of 20, 40, 80, ... are whole tiles

CONV_TILES_INLINE Vec zero() { return _mm512_setzero_ps(); }
CONV_TILES_INLINE Vec all(float x) { return _mm512_set1_ps(x); }
CONV_TILES_INLINE Vec load(const float* p) { return _mm512_loadu_ps(p); }
CONV_TILES_INLINE void store(float* p, Vec x) { _mm512_storeu_ps(p, x); }
// 8 lanes from each of two places, and back
CONV_TILES_INLINE Vec loadPair(const float* a, const float* b) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(a)), _mm256_loadu_ps(b), 1);
}
CONV_TILES_INLINE void storePair(float* a, float* b, Vec x) {
    _mm256_storeu_ps(a, _mm512_castps512_ps256(x));
    _mm256_storeu_ps(b, _mm512_extractf32x8_ps(x, 1));
}
CONV_TILES_INLINE void storeFirst(float* a, Vec x) { _mm256_storeu_ps(a, _mm512_castps512_ps256(x)); }

CONV_TILES_INLINE Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
CONV_TILES_INLINE Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
CONV_TILES_INLINE Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
CONV_TILES_INLINE Vec least(Vec a, Vec b) { return _mm512_min_ps(a, b); }
CONV_TILES_INLINE Vec madd(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }    // c + ab
CONV_TILES_INLINE Vec nmadd(Vec a, Vec b, Vec c) { return _mm512_fnmadd_ps(a, b, c); }  // c - ab
CONV_TILES_INLINE Vec scaleNegative(Vec x, Vec slope) {
    const __mmask16 negative = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ);
    return _mm512_mask_mul_ps(x, negative, x, slope);
}

// The parts of silu()
CONV_TILES_INLINE Vec clamped(Vec y) { return _mm512_min_ps(y, all(126.f)); }
CONV_TILES_INLINE Vec split(Vec y, Vec& whole) {
    whole = y;  // scalef takes its floor
    return _mm512_reduce_ps(y, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
CONV_TILES_INLINE Vec scaledByPower(Vec p, Vec whole) { return _mm512_scalef_ps(p, whole); }
CONV_TILES_INLINE Vec quotient(Vec x, Vec d) {  // d from 1 to 2^127; the reciprocal's 14 bits, and one step of Newton
    const Vec q = _mm512_rcp14_ps(d);
    return _mm512_mul_ps(x, _mm512_mul_ps(q, _mm512_fnmadd_ps(d, q, all(2.f))));
}
CONV_TILES_INLINE Vec zeroBelow(Vec x, Vec limit, Vec y) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, limit, _CMP_NLT_UQ), y);
}

}  // namespace
}  // namespace conv_tiles
