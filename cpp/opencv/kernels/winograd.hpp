// SPDX-License-Identifier: Apache-2.0
// 3×3 convolutions of stride 1 by Winograd's algorithm: tiles of M×M outputs, from patches of N×N inputs, with N² products
// for each pair of channels in place of 9 M². A call computes some tiles: it transforms their patches, 16 channels at a
// time, multiplies the transformed patches by the transformed weights, and transforms the products back.

#pragma once
#include "gemm.hpp"
#include "winograd_points.hpp"

namespace conv_tiles {
namespace {

// Transforms a patch, whose elements at(y, x) gives, and writes element number i to to[i * step].
template <class F, class At>
CONV_TILES_INLINE void transformPatch(const At& at, float* to, size_t step) {
    Vec columns[F::N][F::N];
    for (int x = 0; x < F::N; x++) {
        Vec column[F::N];
#pragma GCC unroll 8
        for (int y = 0; y < F::N; y++) column[y] = at(y, x);
        F::input(column, &columns[0][x], F::N);
    }
    for (int y = 0; y < F::N; y++) {
        Vec row[F::N];
        F::input(columns[y], row, 1);
#pragma GCC unroll 8
        for (int x = 0; x < F::N; x++) store(to + (y * F::N + x) * step, row[x]);
    }
}

// The input as OpenCV holds it
struct BlockSource {
    const float* input;
    const Shape& shape;

    template <class F>
    CONV_TILES_INLINE void transform(int tileY, int tileX, int c16, float* to, size_t step) const {
        const int y0 = tileY * F::M - shape.padTop, x0 = tileX * F::M - shape.padLeft;
        const int height = shape.inputHeight, width = shape.inputWidth;
        const float* const a = input + (size_t)(2 * c16) * shape.inputPlane();
        const float* const b = 2 * c16 + 1 < blocksOf(shape.inputs, BLOCK) ? a + shape.inputPlane() : a;
        if (y0 >= 0 && x0 >= 0 && y0 + F::N <= height && x0 + F::N <= width) {
            const float* const first = a + ((size_t)y0 * width + x0) * BLOCK;
            const ptrdiff_t second = b - a;
            transformPatch<F>(
                [&](int y, int x) __attribute__((always_inline)) {
                    const float* const p = first + ((size_t)y * width + x) * BLOCK;
                    return loadPair(p, p + second);
                },
                to, step);
        } else {
            static const float nothing[BLOCK] = {};
            transformPatch<F>(
                [&](int y, int x) __attribute__((always_inline)) {
                    const bool inside = (unsigned)(y0 + y) < (unsigned)height && (unsigned)(x0 + x) < (unsigned)width;
                    const ptrdiff_t at = inside ? ((ptrdiff_t)(y0 + y) * width + x0 + x) * BLOCK : 0;
                    return loadPair(inside ? a + at : nothing, inside ? b + at : nothing);
                },
                to, step);
        }
    }
};

// Rows of pixels of 16 channels with their border, for the first layer: row 0 is that above the tiles of row `firstTileY`.
struct RowSource {
    const float* rows;
    int width, firstTileY;

    template <class F>
    CONV_TILES_INLINE void transform(int tileY, int tileX, int, float* to, size_t step) const {
        const float* const first = rows + ((size_t)(tileY - firstTileY) * F::M * width + tileX * F::M) * LANES;
        transformPatch<F>(
            [&](int y, int x) __attribute__((always_inline)) { return load(first + ((size_t)y * width + x) * LANES); },
            to, step);
    }
};

template <class F>
inline int winogradTiles(const Shape& shape) {
    return blocksOf(shape.height, F::M) * blocksOf(shape.width, F::M);
}
// Floats of scratch for so many tiles
template <class F>
inline size_t winogradScratch(const Shape& shape, int tiles) {
    return (size_t)F::N * F::N * tiles * (roundUp(shape.inputs, LANES) + WIDE * LANES);
}

// Tiles t0 to t1 of a picture, output channels k0 to k1, which begin a group of weights
template <class F, Activation ACTIVATION, class Source>
void winograd(const Source& source, const float* residual, const Target& target, const Shape& shape,
              const float* weights, const Finish& finish, int t0, int t1, int k0, int k1, float* scratch) {
    constexpr int M = F::M, N = F::N, PRODUCTS = N * N;
    const int inputs = roundUp(shape.inputs, LANES), tilesX = blocksOf(shape.width, M);
    const int tiles = t1 - t0, groups = blocksOf(tiles, GEMM_ROWS);
    float* const patches = scratch;  // [products][groups of tiles][16s of channels][tiles of the group][16]
    float* const sums = patches + (size_t)PRODUCTS * inputs * tiles;
    for (int g = 0; g < groups; g++) {
        const int first = partStart(g, tiles, groups), rows = partStart(g + 1, tiles, groups) - first;
        for (int row = 0; row < rows; row++) {
            const int tileY = (t0 + first + row) / tilesX, tileX = (t0 + first + row) % tilesX;
            for (int c16 = 0; c16 * LANES < inputs; c16++) {
                float* const to = patches + (size_t)first * inputs + ((size_t)c16 * rows + row) * LANES;
                source.template transform<F>(tileY, tileX, c16, to, (size_t)inputs * tiles);
            }
        }
    }
    for (int k = k0; k < k1;) {
        const int vectors = k1 - k >= WIDE * LANES ? WIDE : 1, wide = vectors * LANES;
        const float* const u = weights + (size_t)k * PRODUCTS * inputs;
        for (int product = 0; product < PRODUCTS; product++)
            for (int g = 0; g < groups; g++) {
                const int first = partStart(g, tiles, groups), rows = partStart(g + 1, tiles, groups) - first;
                gemmFor(rows, vectors, shape.inputs)(patches + ((size_t)product * tiles + first) * inputs,
                                                     u + (size_t)product * inputs * wide,
                                                     sums + ((size_t)product * tiles + first) * wide, shape.inputs);
            }
        for (int j = 0; j < vectors && k + j * LANES < shape.outputs; j++) {
            const Finisher<ACTIVATION> finisher(finish, target, residual, shape.outputPlane(), k + j * LANES,
                                                shape.outputs);
            for (int t = 0; t < tiles; t++) {
                const int tileY = (t0 + t) / tilesX, tileX = (t0 + t) % tilesX;
                const float* const m = sums + (size_t)t * wide + j * LANES;
                Vec columns[M][N];
                for (int x = 0; x < N; x++) {
                    Vec column[N];
#pragma GCC unroll 8
                    for (int y = 0; y < N; y++) column[y] = load(m + (size_t)(y * N + x) * tiles * wide);
                    F::output(column, &columns[0][x], N);
                }
                const int height = std::min<int>(M, shape.height - tileY * M);
                const int width = std::min<int>(M, shape.width - tileX * M);
                for (int y = 0; y < height; y++) {
                    Vec row[M];
                    F::output(columns[y], row, 1);
                    const size_t at = (size_t)(tileY * M + y) * shape.width + tileX * M;
                    if (width == M) {
#pragma GCC unroll 8
                        for (int x = 0; x < M; x++) finisher.put(row[x], at + x, at + x);
                    } else
                        for (int x = 0; x < width; x++) finisher.put(row[x], at + x, at + x);
                }
            }
        }
        k += wide;
    }
}

}  // namespace
}  // namespace conv_tiles
