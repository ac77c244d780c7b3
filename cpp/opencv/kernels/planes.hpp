// SPDX-License-Identifier: Apache-2.0
// Between planes, one for each channel, and pixels whose channels lie side by side. With 128-bit vectors number by number.

#pragma once
#include <cstring>

#include "shape.hpp"

namespace conv_tiles {
namespace {

#if defined(__AVX2__)
// 8 vectors of 8: element j of vector i goes to to[j * step + i], for j below `rows`.
CONV_TILES_INLINE void storeTransposed(const __m256* r, float* to, size_t step, int rows) {
    const __m256 t0 = _mm256_unpacklo_ps(r[0], r[1]), t1 = _mm256_unpackhi_ps(r[0], r[1]);
    const __m256 t2 = _mm256_unpacklo_ps(r[2], r[3]), t3 = _mm256_unpackhi_ps(r[2], r[3]);
    const __m256 t4 = _mm256_unpacklo_ps(r[4], r[5]), t5 = _mm256_unpackhi_ps(r[4], r[5]);
    const __m256 t6 = _mm256_unpacklo_ps(r[6], r[7]), t7 = _mm256_unpackhi_ps(r[6], r[7]);
    const __m256 v[8] = {_mm256_shuffle_ps(t0, t2, 0x44), _mm256_shuffle_ps(t0, t2, 0xee),
                         _mm256_shuffle_ps(t1, t3, 0x44), _mm256_shuffle_ps(t1, t3, 0xee),
                         _mm256_shuffle_ps(t4, t6, 0x44), _mm256_shuffle_ps(t4, t6, 0xee),
                         _mm256_shuffle_ps(t5, t7, 0x44), _mm256_shuffle_ps(t5, t7, 0xee)};
    const __m256 o[8] = {_mm256_permute2f128_ps(v[0], v[4], 0x20), _mm256_permute2f128_ps(v[1], v[5], 0x20),
                         _mm256_permute2f128_ps(v[2], v[6], 0x20), _mm256_permute2f128_ps(v[3], v[7], 0x20),
                         _mm256_permute2f128_ps(v[0], v[4], 0x31), _mm256_permute2f128_ps(v[1], v[5], 0x31),
                         _mm256_permute2f128_ps(v[2], v[6], 0x31), _mm256_permute2f128_ps(v[3], v[7], 0x31)};
    for (int j = 0; j < rows; j++) _mm256_storeu_ps(to + j * step, o[j]);
}
#endif

// Blocks of 8 channels of some pixels, one block behind the other, to planes
inline void blocksToPlanes(const float* from, int channels, int pixels, float* to, size_t plane) {
    for (int k = 0; k < channels; k += BLOCK, from += (size_t)pixels * BLOCK, to += BLOCK * plane) {
        const int rows = std::min(BLOCK, channels - k);
        int p = 0;
#if defined(__AVX2__)
        for (; p + 8 <= pixels; p += 8) {
            __m256 r[8];
            for (int i = 0; i < 8; i++) r[i] = _mm256_loadu_ps(from + (p + i) * BLOCK);
            storeTransposed(r, to + p, plane, rows);
        }
#endif
        for (; p < pixels; p++)
            for (int i = 0; i < rows; i++) to[i * plane + p] = from[p * BLOCK + i];
    }
}

// A picture as the first layer finds it: 3 planes, which are folded into 12 by taking squares of 2×2 pixels as one, or 12
// planes, folded already. Channel (dy * 2 + dx) * 3 + c of a folded picture is channel c of pixel (dy, dx) of a square;
// where a side is odd, the missing pixels are zeros.
struct Planes {
    const float* data;
    int height, width;  // of a plane
    bool fold;

    int foldedHeight() const { return fold ? blocksOf(height, 2) : height; }
    int foldedWidth() const { return fold ? blocksOf(width, 2) : width; }

    float at(int c, int y, int x) const {
        int channel = c, row = y, column = x;
        if (fold) {
            channel = c % 3;
            row = 2 * y + c / 6;
            column = 2 * x + c / 3 % 2;
        }
        return row < height && column < width ? data[((size_t)channel * height + row) * width + column] : 0.f;
    }

    // Writes row y of the folded picture as pixels of 16 channels, the last 4 zeros, behind a pixel of zeros and followed
    // by zeros up to `wide` pixels; a row outside the picture is all zeros.
    void row(int y, float* to, int wide) const {
        const int pixels = std::min(foldedWidth(), wide - 1);
        if (y < 0 || y >= foldedHeight()) {
            memset(to, 0, (size_t)wide * LANES * sizeof(float));
            return;
        }
        memset(to, 0, LANES * sizeof(float));
        memset(to + (size_t)(pixels + 1) * LANES, 0, (size_t)(wide - pixels - 1) * LANES * sizeof(float));
        to += LANES;
        int x = 0;
#if defined(__AVX2__)
        const bool wholeRows = !fold || 2 * y + 1 < height;
        for (; wholeRows && x + 8 <= pixels && (!fold || 2 * x + 16 <= width); x += 8) {
            __m256 r[16];
            if (fold) {
                for (int dy = 0; dy < 2; dy++)
                    for (int c = 0; c < 3; c++) {
                        const float* const p = data + ((size_t)c * height + 2 * y + dy) * width + 2 * x;
                        const __m256 a = _mm256_loadu_ps(p), b = _mm256_loadu_ps(p + 8);
                        const __m256 low = _mm256_permute2f128_ps(a, b, 0x20),
                                     high = _mm256_permute2f128_ps(a, b, 0x31);
                        r[dy * 6 + c] = _mm256_shuffle_ps(low, high, 0x88);
                        r[dy * 6 + 3 + c] = _mm256_shuffle_ps(low, high, 0xdd);
                    }
            } else {
                for (int c = 0; c < 12; c++) r[c] = _mm256_loadu_ps(data + ((size_t)c * height + y) * width + x);
            }
            for (int c = 12; c < 16; c++) r[c] = _mm256_setzero_ps();
            storeTransposed(r, to + (size_t)x * LANES, LANES, 8);
            storeTransposed(r + 8, to + (size_t)x * LANES + 8, LANES, 8);
        }
#endif
        for (; x < pixels; x++)
            for (int c = 0; c < LANES; c++) to[(size_t)x * LANES + c] = c < 12 ? at(c, y, x) : 0.f;
    }
};

}  // namespace
}  // namespace conv_tiles
