// SPDX-License-Identifier: Apache-2.0
// The first layer of a YOLOv5 straight from the picture's planes: 6×6 of stride 2 and padding 2 on 3 channels, which is
// 3×3 on a picture folded into 12, or 3×3 on a folded picture. By Winograd's algorithm, a few rows of tiles at a time.

#pragma once
#include "planes.hpp"
#include "winograd.hpp"

namespace conv_tiles {
namespace {

constexpr int STEM_CHANNELS = 12, STEM_ROWS = 2;  // rows of tiles that are computed together

// OpenCV's order of 6×6 weights on 3 channels to its order of 3×3 on 12; 2 blocks of inputs, zeroed memory
inline void foldStemWeights(const Packed& packed, int outputs, float* to) {
    for (int k = 0; k < outputs; k += BLOCK)
        for (int c = 0; c < 3; c++)
            for (int y = 0; y < 6; y++)
                for (int x = 0; x < 6; x++) {
                    const int folded = (y % 2 * 2 + x % 2) * 3 + c, position = y / 2 * 3 + x / 2;
                    put(to + (((size_t)(k / BLOCK) * 9 + position) * 2 + folded / BLOCK) * BLOCK * BLOCK +
                            folded % BLOCK * BLOCK,
                        packed.at(k, y * 6 + x, c));
                }
}

inline int stemRowWidth(const Shape& shape) { return roundUp(shape.width, F43::M) + 2; }
inline size_t stemRowsSize(const Shape& shape) {
    return (size_t)(STEM_ROWS * F43::M + 2) * stemRowWidth(shape) * LANES;
}
inline size_t stemScratch(const Shape& shape) {
    return stemRowsSize(shape) + winogradScratch<F43>(shape, STEM_ROWS * blocksOf(shape.width, F43::M));
}

// Rows of tiles y0 to y1, at most STEM_ROWS; `shape` is that of the convolution on the folded picture, padded by 1
template <Activation ACTIVATION>
void stem(const Planes& planes, const Target& target, const Shape& shape, const float* weights, const Finish& finish,
          int y0, int y1, int k0, int k1, float* scratch) {
    const int width = stemRowWidth(shape), tilesX = blocksOf(shape.width, F43::M);
    for (int y = 0; y < (y1 - y0) * F43::M + 2; y++)
        planes.row(y0 * F43::M + y - 1, scratch + (size_t)y * width * LANES, width);
    winograd<F43, ACTIVATION>(RowSource{scratch, width, y0}, nullptr, target, shape, weights, finish, y0 * tilesX,
                              y1 * tilesX, k0, k1, scratch + stemRowsSize(shape));
}

}  // namespace
}  // namespace conv_tiles
