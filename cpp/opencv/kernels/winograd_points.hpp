// SPDX-License-Identifier: Apache-2.0
// The one-dimensional transforms of Winograd's algorithm: M outputs of a kernel of 3 from N = M + 2 inputs with N products
// (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2015). A step `from` or `to` lies between the
// elements of the arrays.

#pragma once
#include <cmath>

#include "weights.hpp"

namespace conv_tiles {
namespace {

// F(4, 3) at the points 0, ±a, ±b and infinity, a = √½ and b = √2. Since ab = 1, sums round a third of what they do at the
// usual ±1 and ±2. The products at ±a are a times, those at ±b b times what they would be; the weights hold the factor.
struct F43 {
    static constexpr int M = 4, N = 6;
    static constexpr float A = 0.70710678118654752f, B = 1.41421356237309505f;

    CONV_TILES_INLINE static void input(const Vec* x, Vec* y, int to) {
        const Vec two = all(2.f), half = all(.5f), sum = all(2.5f), a = all(A), b = all(B);
        const Vec evenA = nmadd(two, x[2], x[4]), evenB = nmadd(half, x[2], x[4]);
        const Vec oddA = nmadd(two, x[1], x[3]), oddB = nmadd(half, x[1], x[3]);
        y[0] = add(x[0], nmadd(sum, x[2], x[4]));
        y[to] = madd(a, oddA, evenA);
        y[2 * to] = nmadd(a, oddA, evenA);
        y[3 * to] = madd(b, oddB, evenB);
        y[4 * to] = nmadd(b, oddB, evenB);
        y[5 * to] = add(x[1], nmadd(sum, x[3], x[5]));
    }
    CONV_TILES_INLINE static void output(const Vec* m, Vec* y, int to) {
        const Vec two = all(2.f), half = all(.5f), a = all(A), b = all(B);
        const Vec sumA = add(m[1], m[2]), differenceA = sub(m[1], m[2]);
        const Vec sumB = add(m[3], m[4]), differenceB = sub(m[3], m[4]);
        y[0] = madd(b, sumA, madd(a, sumB, m[0]));
        y[to] = add(differenceA, differenceB);
        y[2 * to] = madd(b, sumB, mul(a, sumA));
        y[3 * to] = madd(two, differenceB, madd(half, differenceA, m[5]));
    }
    static void kernel(const Eight* g, Eight* u) {
        const double a = std::sqrt(.5), b = std::sqrt(2.);
        const double scaleA = a / (2 * a * a * (a * a - b * b)), scaleB = b / (2 * b * b * (b * b - a * a));
        u[0] = g[0];
        u[1] = scaleA * (g[0] + a * g[1] + a * a * g[2]);
        u[2] = scaleA * (g[0] - a * g[1] + a * a * g[2]);
        u[3] = scaleB * (g[0] + b * g[1] + b * b * g[2]);
        u[4] = scaleB * (g[0] - b * g[1] + b * b * g[2]);
        u[5] = g[2];
    }
    static void recover(const Eight* u, Eight* g) {  // the inverse of kernel()
        const double a = std::sqrt(.5), b = std::sqrt(2.);
        g[0] = u[0];
        g[1] = (u[1] - u[2]) * (2 * a * a * (a * a - b * b) / (2 * a * a));
        g[2] = u[5];
    }
};

// F(2, 3) at 0, ±1 and infinity, for small pictures, which would waste much of tiles of 4×4
struct F23 {
    static constexpr int M = 2, N = 4;

    CONV_TILES_INLINE static void input(const Vec* x, Vec* y, int to) {
        y[0] = sub(x[0], x[2]);
        y[to] = add(x[1], x[2]);
        y[2 * to] = sub(x[2], x[1]);
        y[3 * to] = sub(x[1], x[3]);
    }
    CONV_TILES_INLINE static void output(const Vec* m, Vec* y, int to) {
        y[0] = add(m[0], add(m[1], m[2]));
        y[to] = sub(sub(m[1], m[2]), m[3]);
    }
    static void kernel(const Eight* g, Eight* u) {
        u[0] = g[0];
        u[1] = (g[0] + g[1] + g[2]) / 2.;
        u[2] = (g[0] - g[1] + g[2]) / 2.;
        u[3] = g[2];
    }
    static void recover(const Eight* u, Eight* g) {
        g[0] = u[0];
        g[1] = u[1] - u[2];
        g[2] = u[3];
    }
};

// Weights of 3×3 for the two-dimensional transform, into zeroed memory: N² products for 16s of inputs
template <class F>
inline void transformWeights(const Packed& packed, int inputs, int outputs, float* to) {
    const PreparedWeights prepared{to, F::N * F::N, roundUp(inputs, LANES), outputs};
    for (int k = 0; k < outputs; k += BLOCK)
        for (int c = 0; c < inputs; c++) {
            Eight columns[F::N][3], u[F::N];
            for (int x = 0; x < 3; x++) {
                const Eight g[3] = {packed.at(k, x, c), packed.at(k, 3 + x, c), packed.at(k, 6 + x, c)};
                F::kernel(g, u);
                for (int y = 0; y < F::N; y++) columns[y][x] = u[y];
            }
            for (int y = 0; y < F::N; y++) {
                F::kernel(columns[y], u);
                for (int x = 0; x < F::N; x++) put(prepared.at(k, y * F::N + x, c), u[x]);
            }
        }
}

// Back to OpenCV's order, within what floats round
template <class F>
inline void recoverWeights(float* from, int inputs, int outputs, float* packed) {
    const PreparedWeights prepared{from, F::N * F::N, roundUp(inputs, LANES), outputs};
    const int blocks = blocksOf(inputs, BLOCK);
    for (int k = 0; k < outputs; k += BLOCK)
        for (int c = 0; c < inputs; c++) {
            Eight rows[3][F::N], u[F::N], g[3];
            for (int x = 0; x < F::N; x++) {
                for (int y = 0; y < F::N; y++) u[y] = get(prepared.at(k, y * F::N + x, c));
                F::recover(u, g);
                for (int y = 0; y < 3; y++) rows[y][x] = g[y];
            }
            for (int y = 0; y < 3; y++) {
                F::recover(rows[y], g);
                for (int x = 0; x < 3; x++)
                    put(packed + (((size_t)(k / BLOCK) * 9 + y * 3 + x) * blocks + c / BLOCK) * BLOCK * BLOCK +
                            c % BLOCK * BLOCK,
                        g[x]);
            }
        }
}

}  // namespace
}  // namespace conv_tiles
