// SPDX-License-Identifier: Apache-2.0
// 3×3 convolutions of stride 2: tiles of 2×2 outputs from patches of 5×5 with 25 products for each pair of channels in
// place of 36. In one dimension the outputs w0 i0 + w1 i1 + w2 i2 and w0 i2 + w1 i3 + w2 i4 are A + B and B + C with
//
//     A = w0 (i0 - i2) + w1 i1,  B = (w0 + w2) i2,  C = w1 i3 + w2 (i4 - i2):
//
// 5 products for 6. In two dimensions there are 9 such sums, of 4, 2 or 1 products.

#pragma once
#include "gemm.hpp"
#include "weights.hpp"

namespace conv_tiles {
namespace {

struct Stride2 {
    static constexpr int M = 2, N = 5, PRODUCTS = 25, SUMS = 9;
    static constexpr int FIRST[3] = {0, 2, 3}, COUNT[3] = {2, 1, 2};  // of A, B and C among the 5 products

    static constexpr int count(int sum) { return COUNT[sum / 3] * COUNT[sum % 3]; }
    static constexpr int start(int sum) { return sum == 0 ? 0 : start(sum - 1) + count(sum - 1); }
    static constexpr int row(int sum, int i) { return FIRST[sum / 3] + i / COUNT[sum % 3]; }
    static constexpr int column(int sum, int i) { return FIRST[sum % 3] + i % COUNT[sum % 3]; }

    static void kernel(const Eight* w, Eight* u) {
        u[0] = w[0];
        u[1] = w[1];
        u[2] = w[0] + w[2];
        u[3] = w[1];
        u[4] = w[2];
    }
};

// Into zeroed memory: 25 products, in the order of the sums
inline void transformStride2Weights(const Packed& packed, int inputs, int outputs, float* to) {
    constexpr int N = Stride2::N;
    const PreparedWeights prepared{to, Stride2::PRODUCTS, roundUp(inputs, LANES), outputs};
    for (int k = 0; k < outputs; k += BLOCK)
        for (int c = 0; c < inputs; c++) {
            Eight columns[N][3], u[N][N];
            for (int x = 0; x < 3; x++) {
                const Eight w[3] = {packed.at(k, x, c), packed.at(k, 3 + x, c), packed.at(k, 6 + x, c)};
                Eight column[N];
                Stride2::kernel(w, column);
                for (int y = 0; y < N; y++) columns[y][x] = column[y];
            }
            for (int y = 0; y < N; y++) Stride2::kernel(columns[y], u[y]);
            for (int sum = 0; sum < Stride2::SUMS; sum++)
                for (int i = 0; i < Stride2::count(sum); i++)
                    put(prepared.at(k, Stride2::start(sum) + i, c), u[Stride2::row(sum, i)][Stride2::column(sum, i)]);
        }
}

inline int stride2Tiles(const Shape& shape) { return blocksOf(shape.height, 2) * blocksOf(shape.width, 2); }
inline size_t stride2Scratch(const Shape& shape, int tiles) {
    return (size_t)tiles * (Stride2::PRODUCTS * roundUp(shape.inputs, LANES) + Stride2::SUMS * WIDE * LANES);
}

// The 25 transformed elements of a patch of 16 channels; to[y][x] says where each goes, `at` is added.
CONV_TILES_INLINE void transformStride2Patch(const float* input, const Shape& shape, int tileY, int tileX, int c16,
                                             float* const (&to)[5][5], size_t at) {
    constexpr int N = Stride2::N;
    const int y0 = tileY * 4 - shape.padTop, x0 = tileX * 4 - shape.padLeft;
    const int height = shape.inputHeight, width = shape.inputWidth;
    const float* const a = input + (size_t)(2 * c16) * shape.inputPlane();
    const float* const b = 2 * c16 + 1 < blocksOf(shape.inputs, BLOCK) ? a + shape.inputPlane() : a;
    Vec d[N][N];
    if (y0 >= 0 && x0 >= 0 && y0 + N <= height && x0 + N <= width) {
        const float* const first = a + ((size_t)y0 * width + x0) * BLOCK;
        const ptrdiff_t second = b - a;
#pragma GCC unroll 5
        for (int y = 0; y < N; y++)
#pragma GCC unroll 5
            for (int x = 0; x < N; x++) {
                const float* const p = first + ((size_t)y * width + x) * BLOCK;
                d[y][x] = loadPair(p, p + second);
            }
    } else {
        static const float nothing[BLOCK] = {};
        for (int y = 0; y < N; y++)
            for (int x = 0; x < N; x++) {
                const bool inside = (unsigned)(y0 + y) < (unsigned)height && (unsigned)(x0 + x) < (unsigned)width;
                const ptrdiff_t from = inside ? ((ptrdiff_t)(y0 + y) * width + x0 + x) * BLOCK : 0;
                d[y][x] = loadPair(inside ? a + from : nothing, inside ? b + from : nothing);
            }
    }
#pragma GCC unroll 5
    for (int y = 0; y < N; y++) {
        d[y][0] = sub(d[y][0], d[y][2]);
        d[y][4] = sub(d[y][4], d[y][2]);
    }
#pragma GCC unroll 5
    for (int x = 0; x < N; x++) {
        store(to[0][x] + at, sub(d[0][x], d[2][x]));
        store(to[1][x] + at, d[1][x]);
        store(to[2][x] + at, d[2][x]);
        store(to[3][x] + at, d[3][x]);
        store(to[4][x] + at, sub(d[4][x], d[2][x]));
    }
}

// Tiles t0 to t1 of a picture, output channels k0 to k1, which begin a group of weights
template <Activation ACTIVATION>
void stride2(const float* input, const float* residual, const Target& target, const Shape& shape, const float* weights,
             const Finish& finish, int t0, int t1, int k0, int k1, float* scratch) {
    constexpr int N = Stride2::N, PRODUCTS = Stride2::PRODUCTS, SUMS = Stride2::SUMS;
    const int inputs = roundUp(shape.inputs, LANES), tilesX = blocksOf(shape.width, 2);
    const int tiles = t1 - t0, groups = blocksOf(tiles, GEMM_ROWS);
    float* const patches = scratch;  // [sums][groups of tiles][products][16s of channels][tiles of the group][16]
    float* const sums = patches + (size_t)PRODUCTS * inputs * tiles;
    for (int g = 0; g < groups; g++) {
        const int first = partStart(g, tiles, groups), rows = partStart(g + 1, tiles, groups) - first;
        float* to[N][N];
        for (int sum = 0; sum < SUMS; sum++)
            for (int i = 0; i < Stride2::count(sum); i++)
                to[Stride2::row(sum, i)][Stride2::column(sum, i)] =
                    patches + (size_t)Stride2::start(sum) * inputs * tiles +
                    ((size_t)first * Stride2::count(sum) + (size_t)i * rows) * inputs;
        for (int row = 0; row < rows; row++) {
            const int tileY = (t0 + first + row) / tilesX, tileX = (t0 + first + row) % tilesX;
            for (int c16 = 0; c16 * LANES < inputs; c16++)
                transformStride2Patch(input, shape, tileY, tileX, c16, to, ((size_t)c16 * rows + row) * LANES);
        }
    }
    for (int k = k0; k < k1;) {
        const int vectors = k1 - k >= WIDE * LANES ? WIDE : 1, wide = vectors * LANES;
        const float* const u = weights + (size_t)k * PRODUCTS * inputs;
        for (int sum = 0; sum < SUMS; sum++)
            for (int g = 0; g < groups; g++) {
                const int first = partStart(g, tiles, groups), rows = partStart(g + 1, tiles, groups) - first;
                const int count = Stride2::count(sum), start = Stride2::start(sum);
                // With several products the channels are a multiple of 16, the surplus zeros.
                gemmFor(rows, vectors, count * inputs)(
                    patches + ((size_t)start * tiles + (size_t)first * count) * inputs,
                    u + (size_t)start * inputs * wide, sums + ((size_t)sum * tiles + first) * wide, count * inputs);
            }
        for (int j = 0; j < vectors && k + j * LANES < shape.outputs; j++) {
            const Finisher<ACTIVATION> finisher(finish, target, residual, shape.outputPlane(), k + j * LANES,
                                                shape.outputs);
            for (int t = 0; t < tiles; t++) {
                const int tileY = (t0 + t) / tilesX, tileX = (t0 + t) % tilesX;
                const float* const m = sums + (size_t)t * wide + j * LANES;
                const auto sumAt = [&](int y, int x) __attribute__((always_inline)) {
                    return load(m + (size_t)(y * 3 + x) * tiles * wide);
                };
                Vec rows[2][3];
#pragma GCC unroll 3
                for (int x = 0; x < 3; x++) {
                    const Vec shared = sumAt(1, x);
                    rows[0][x] = add(sumAt(0, x), shared);
                    rows[1][x] = add(sumAt(2, x), shared);
                }
#pragma GCC unroll 2
                for (int y = 0; y < 2; y++) {
                    if (tileY * 2 + y >= shape.height) break;
                    const size_t at = (size_t)(tileY * 2 + y) * shape.width + tileX * 2;
                    finisher.put(add(rows[y][0], rows[y][1]), at, at);
                    if (tileX * 2 + 1 < shape.width) finisher.put(add(rows[y][2], rows[y][1]), at + 1, at + 1);
                }
            }
        }
        k += wide;
    }
}

}  // namespace
}  // namespace conv_tiles
