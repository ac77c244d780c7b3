// SPDX-License-Identifier: Apache-2.0
// Products of matrices for the transformed convolutions: some rows of inputs times the weights of WIDE vectors of outputs.
// sums[rows][wide * 16] = inputs[blocks of 16 channels][rows][16] × weights[channels][wide * 16]

#pragma once
#include <utility>

#include "shape.hpp"

namespace conv_tiles {
namespace {

typedef void (*Gemm)(const float* inputs, const float* weights, float* sums, int channels);

// AHEAD: fetch the next call's weights, which lie behind this one's
template <int ROWS, int VECTORS, bool AHEAD>
__attribute__((noinline)) void gemm(const float* inputs, const float* weights, float* sums, int channels) {
    Vec s[ROWS][VECTORS];
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 2
        for (int j = 0; j < VECTORS; j++) s[i][j] = zero();
    const size_t ahead = (size_t)channels * VECTORS * LANES;
    for (; channels > 0; channels -= LANES, inputs += ROWS * LANES, weights += LANES * VECTORS * LANES) {
        for (int c4 = 0; c4 < LANES && c4 < channels; c4 += 4)  // 12 channels lie in a block of 16
#pragma GCC unroll 4
            for (int c = c4; c < c4 + 4; c++) {
                Vec w[VECTORS];
#pragma GCC unroll 2
                for (int j = 0; j < VECTORS; j++) {
                    if (AHEAD) prefetch(weights + ahead + (c * VECTORS + j) * LANES);
                    w[j] = load(weights + (c * VECTORS + j) * LANES);
                }
#pragma GCC unroll 16
                for (int i = 0; i < ROWS; i++) {
                    const Vec x = all(inputs[i * LANES + c]);
#pragma GCC unroll 2
                    for (int j = 0; j < VECTORS; j++) s[i][j] = madd(x, w[j], s[i][j]);
                }
            }
    }
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 2
        for (int j = 0; j < VECTORS; j++) store(sums + (i * VECTORS + j) * LANES, s[i][j]);
}

template <int VECTORS, bool AHEAD, int... ROWS>
inline Gemm gemmOf(int rows, std::integer_sequence<int, ROWS...>) {
    static constexpr Gemm table[] = {gemm<ROWS + 1, VECTORS, AHEAD>...};
    return table[rows - 1];
}

// The function for so many rows, at most GEMM_ROWS, and vectors, 1 or WIDE
inline Gemm gemmFor(int rows, int vectors, int channels) {
    const auto counts = std::make_integer_sequence<int, GEMM_ROWS>();
    if (channels >= 64) return vectors == WIDE ? gemmOf<WIDE, true>(rows, counts) : gemmOf<1, true>(rows, counts);
    return vectors == WIDE ? gemmOf<WIDE, false>(rows, counts) : gemmOf<1, false>(rows, counts);
}

}  // namespace
}  // namespace conv_tiles
