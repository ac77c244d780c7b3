// SPDX-License-Identifier: Apache-2.0
// 16 lanes as four registers of 128 bits in the vector types of GCC and Clang: NEON, WebAssembly, SSE. See lanes.hpp.

#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace conv_tiles {
namespace {

typedef float Four __attribute__((vector_size(16)));
typedef int32_t FourInts __attribute__((vector_size(16)));
struct Vec {
    Four a, b, c, d;
};
constexpr int WIDE = 1;
#if defined(__aarch64__)  // 24 of 32 registers are sums
constexpr int GEMM_ROWS = 6, TILE_PIXELS = 6;
#else  // 12 of 16
constexpr int GEMM_ROWS = 3, TILE_PIXELS = 3;
#endif

CONV_TILES_INLINE Four fourAt(const float* p) {
    Four x;
    memcpy(&x, p, sizeof(x));
    return x;
}
CONV_TILES_INLINE void putFour(float* p, Four x) { memcpy(p, &x, sizeof(x)); }
template <class Do>
CONV_TILES_INLINE Vec each(const Do& f, const Vec& x) {
    return {f(x.a), f(x.b), f(x.c), f(x.d)};
}
template <class Do>
CONV_TILES_INLINE Vec each(const Do& f, const Vec& x, const Vec& y) {
    return {f(x.a, y.a), f(x.b, y.b), f(x.c, y.c), f(x.d, y.d)};
}

CONV_TILES_INLINE Vec all(float x) {
    const Four f = {x, x, x, x};
    return {f, f, f, f};
}
CONV_TILES_INLINE Vec zero() { return all(0.f); }
CONV_TILES_INLINE Vec loadPair(const float* p, const float* q) {
    return {fourAt(p), fourAt(p + 4), fourAt(q), fourAt(q + 4)};
}
CONV_TILES_INLINE Vec load(const float* p) { return loadPair(p, p + 8); }
CONV_TILES_INLINE void storeFirst(float* p, Vec x) {
    putFour(p, x.a);
    putFour(p + 4, x.b);
}
CONV_TILES_INLINE void storePair(float* p, float* q, Vec x) {
    storeFirst(p, x);
    putFour(q, x.c);
    putFour(q + 4, x.d);
}
CONV_TILES_INLINE void store(float* p, Vec x) { storePair(p, p + 8, x); }

CONV_TILES_INLINE Vec add(Vec x, Vec y) { return {x.a + y.a, x.b + y.b, x.c + y.c, x.d + y.d}; }
CONV_TILES_INLINE Vec sub(Vec x, Vec y) { return {x.a - y.a, x.b - y.b, x.c - y.c, x.d - y.d}; }
CONV_TILES_INLINE Vec mul(Vec x, Vec y) { return {x.a * y.a, x.b * y.b, x.c * y.c, x.d * y.d}; }
CONV_TILES_INLINE Vec madd(Vec x, Vec y, Vec z) {
    return {z.a + x.a * y.a, z.b + x.b * y.b, z.c + x.c * y.c, z.d + x.d * y.d};
}
CONV_TILES_INLINE Vec nmadd(Vec x, Vec y, Vec z) {
    return {z.a - x.a * y.a, z.b - x.b * y.b, z.c - x.c * y.c, z.d - x.d * y.d};
}
CONV_TILES_INLINE Four choose(FourInts mask, Four yes, Four no) {
    return (Four)(((FourInts)yes & mask) | ((FourInts)no & ~mask));
}
CONV_TILES_INLINE Vec least(Vec x, Vec y) {
    return each([](Four p, Four q) { return choose(p < q, p, q); }, x, y);
}
CONV_TILES_INLINE Vec scaleNegative(Vec x, Vec slope) {
    return each([](Four p, Four s) { return choose(p < (Four){}, p * s, p); }, x, slope);
}

// The parts of silu()
CONV_TILES_INLINE Vec clamped(Vec y) {
    const Four most = all(126.f).a;
    return each(
        [&](Four p) {
            p = choose(p < most, p, most);
            return choose(p > -most, p, -most);
        },
        y);
}
CONV_TILES_INLINE Vec split(Vec y, Vec& whole) {
    whole = each(
        [](Four p) {
            const Four cut = __builtin_convertvector(__builtin_convertvector(p, FourInts), Four);  // towards zero
            return choose(cut > p, cut - all(1.f).a, cut);
        },
        y);
    return sub(y, whole);
}
CONV_TILES_INLINE Vec scaledByPower(Vec p, Vec whole) {
    return each([](Four q, Four n) { return (Four)((FourInts)q + (__builtin_convertvector(n, FourInts) << 23)); }, p,
                whole);
}
CONV_TILES_INLINE Vec quotient(Vec x, Vec d) { return {x.a / d.a, x.b / d.b, x.c / d.c, x.d / d.d}; }
CONV_TILES_INLINE Vec zeroBelow(Vec x, Vec limit, Vec y) {
    const Four least = limit.a;
    return each([&](Four p, Four q) { return choose(p < least, (Four){}, q); }, x, y);
}

}  // namespace
}  // namespace conv_tiles
