// SPDX-License-Identifier: Apache-2.0
// 16 lanes as two registers of AVX2, with FMA. See lanes.hpp.

#pragma once
#include <immintrin.h>

#include <cstddef>

namespace conv_tiles {
namespace {

struct Vec {
    __m256 a, b;
};
constexpr int WIDE = 1;
constexpr int GEMM_ROWS = 6;  // 12 of 16 registers are sums
constexpr int TILE_PIXELS = 6;

CONV_TILES_INLINE Vec all(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
CONV_TILES_INLINE Vec zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
CONV_TILES_INLINE Vec loadPair(const float* a, const float* b) { return {_mm256_loadu_ps(a), _mm256_loadu_ps(b)}; }
CONV_TILES_INLINE Vec load(const float* p) { return loadPair(p, p + 8); }
CONV_TILES_INLINE void storePair(float* a, float* b, Vec x) {
    _mm256_storeu_ps(a, x.a);
    _mm256_storeu_ps(b, x.b);
}
CONV_TILES_INLINE void store(float* p, Vec x) { storePair(p, p + 8, x); }
CONV_TILES_INLINE void storeFirst(float* a, Vec x) { _mm256_storeu_ps(a, x.a); }

CONV_TILES_INLINE Vec add(Vec x, Vec y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
CONV_TILES_INLINE Vec sub(Vec x, Vec y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
CONV_TILES_INLINE Vec mul(Vec x, Vec y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
CONV_TILES_INLINE Vec least(Vec x, Vec y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
CONV_TILES_INLINE Vec madd(Vec x, Vec y, Vec c) {
    return {_mm256_fmadd_ps(x.a, y.a, c.a), _mm256_fmadd_ps(x.b, y.b, c.b)};
}
CONV_TILES_INLINE Vec nmadd(Vec x, Vec y, Vec c) {
    return {_mm256_fnmadd_ps(x.a, y.a, c.a), _mm256_fnmadd_ps(x.b, y.b, c.b)};
}
CONV_TILES_INLINE __m256 scaleNegative(__m256 x, __m256 slope) {
    return _mm256_blendv_ps(x, _mm256_mul_ps(x, slope), _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_LT_OQ));
}
CONV_TILES_INLINE Vec scaleNegative(Vec x, Vec slope) {
    return {scaleNegative(x.a, slope.a), scaleNegative(x.b, slope.b)};
}

// The parts of silu()
CONV_TILES_INLINE __m256 clamped(__m256 y) {
    return _mm256_max_ps(_mm256_min_ps(y, _mm256_set1_ps(126.f)), _mm256_set1_ps(-126.f));
}
CONV_TILES_INLINE Vec clamped(Vec y) { return {clamped(y.a), clamped(y.b)}; }
CONV_TILES_INLINE Vec split(Vec y, Vec& whole) {
    whole = {_mm256_floor_ps(y.a), _mm256_floor_ps(y.b)};
    return sub(y, whole);
}
CONV_TILES_INLINE __m256 scaledByPower(__m256 p, __m256 whole) {
    const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(whole), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent));
}
CONV_TILES_INLINE Vec scaledByPower(Vec p, Vec whole) {
    return {scaledByPower(p.a, whole.a), scaledByPower(p.b, whole.b)};
}
CONV_TILES_INLINE Vec quotient(Vec x, Vec d) { return {_mm256_div_ps(x.a, d.a), _mm256_div_ps(x.b, d.b)}; }
CONV_TILES_INLINE __m256 zeroBelow(__m256 x, __m256 limit, __m256 y) {
    return _mm256_and_ps(_mm256_cmp_ps(x, limit, _CMP_NLT_UQ), y);
}
CONV_TILES_INLINE Vec zeroBelow(Vec x, Vec limit, Vec y) {
    return {zeroBelow(x.a, limit.a, y.a), zeroBelow(x.b, limit.b, y.b)};
}

}  // namespace
}  // namespace conv_tiles
