// SPDX-License-Identifier: Apache-2.0
// 1×1 convolutions as they are: tiles of TILE_PIXELS pixels × WIDE vectors of outputs, whose sums stay in registers while
// all input channels are added. A number of the input, once read, serves as many products as a tile has channels.

#pragma once
#include "weights.hpp"

namespace conv_tiles {
namespace {

// Into zeroed memory: one product for 8s of inputs
inline void packDirectWeights(const Packed& packed, int inputs, int outputs, float* to) {
    const PreparedWeights prepared{to, 1, roundUp(inputs, BLOCK), outputs};
    for (int k = 0; k < outputs; k += BLOCK)
        for (int c = 0; c < inputs; c++) put(prepared.at(k, 0, c), packed.at(k, 0, c));
}

// pixel(i) gives where pixel i of the tile lies in the first block of channels.
template <int VECTORS, class PixelAt>
CONV_TILES_INLINE void directSums(const PixelAt& pixel, size_t plane, const float* weights, int inputs,
                                  Vec (&s)[TILE_PIXELS][VECTORS]) {
    const float* ahead = weights + (size_t)roundUp(inputs, BLOCK) * VECTORS * LANES;  // those of the next channels
#pragma GCC unroll 16
    for (int i = 0; i < TILE_PIXELS; i++)
#pragma GCC unroll 2
        for (int j = 0; j < VECTORS; j++) s[i][j] = zero();
    const float* x[TILE_PIXELS];
#pragma GCC unroll 16
    for (int i = 0; i < TILE_PIXELS; i++) x[i] = pixel(i);
    size_t block = 0;
    for (int c0 = 0; c0 < inputs; c0 += BLOCK, block += plane, weights += BLOCK * VECTORS * LANES) {
        prefetch(ahead);
        prefetch(ahead + 16);
        ahead += 32;
        for (int c4 = 0; c4 < BLOCK && c0 + c4 < inputs; c4 += 4)
#pragma GCC unroll 4
            for (int c = c4; c < c4 + 4; c++) {
                Vec w[VECTORS];
#pragma GCC unroll 2
                for (int j = 0; j < VECTORS; j++) w[j] = load(weights + (c * VECTORS + j) * LANES);
#pragma GCC unroll 16
                for (int i = 0; i < TILE_PIXELS; i++) {
                    const Vec v = all(x[i][block + c]);
#pragma GCC unroll 2
                    for (int j = 0; j < VECTORS; j++) s[i][j] = madd(v, w[j], s[i][j]);
                }
            }
    }
}

// Pixels p0 to p1, VECTORS vectors of output channels from k on
template <Activation ACTIVATION, int VECTORS>
void directGroup(const float* input, const float* residual, const Target& target, const Shape& shape,
                 const float* weights, const Finish& finish, int p0, int p1, int k) {
    const size_t plane = shape.inputPlane();
    for (int p = p0; p < p1; p += TILE_PIXELS) {
        const int count = std::min(TILE_PIXELS, p1 - p);
        const float* const first = input + (size_t)p * BLOCK;
        Vec s[TILE_PIXELS][VECTORS];
        if (count == TILE_PIXELS)
            directSums<VECTORS>(
                [&](int i) __attribute__((always_inline)) { return first + i * BLOCK; }, plane, weights, shape.inputs,
                s);
        else  // the rest: its last pixel again and again
            directSums<VECTORS>(
                [&](int i) __attribute__((always_inline)) { return first + std::min(i, count - 1) * BLOCK; }, plane,
                weights, shape.inputs, s);
#pragma GCC unroll 2
        for (int j = 0; j < VECTORS; j++) {
            if (k + j * LANES >= shape.outputs) break;
            const Finisher<ACTIVATION> finisher(finish, target, residual, shape.outputPlane(), k + j * LANES,
                                                shape.outputs);
#pragma GCC unroll 16
            for (int i = 0; i < TILE_PIXELS; i++)
                if (i < count) finisher.put(s[i][j], p - target.pixel + i, p + i);
        }
    }
}

// Pixels p0 to p1, few enough for their input to stay in the cache, output channels k0 to k1, which begin a group
template <Activation ACTIVATION>
void direct(const float* input, const float* residual, const Target& target, const Shape& shape, const float* weights,
            const Finish& finish, int p0, int p1, int k0, int k1) {
    for (int k = k0; k < k1;) {
        const bool wide = k1 - k >= WIDE * LANES;
        const float* const u = weights + (size_t)k * roundUp(shape.inputs, BLOCK);
        (wide ? directGroup<ACTIVATION, WIDE> : directGroup<ACTIVATION, 1>)(input, residual, target, shape, u, finish,
                                                                            p0, p1, k);
        k += (wide ? WIDE : 1) * LANES;
    }
}

}  // namespace
}  // namespace conv_tiles
