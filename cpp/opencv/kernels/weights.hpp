// SPDX-License-Identifier: Apache-2.0
// Weights as OpenCV packs them, and the order in which the kernels read them.

#pragma once
#include <cstring>

#include "shape.hpp"

namespace conv_tiles {
namespace {

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // vectors of 64 bytes are handed to inlined functions only

typedef double Eight __attribute__((vector_size(64)));
typedef float EightFloats __attribute__((vector_size(32)));

// OpenCV's order: [blocks of 8 outputs][kernel positions][blocks of 8 inputs][8 inputs][8 outputs], zeros where channels
// end within a block. Eight outputs are taken at once, in 64 bits, times the scale that is given for each (or null).
struct Packed {
    const float* data;
    int positions, blocks;
    const float* scale;

    CONV_TILES_INLINE Eight at(int k, int position, int c) const {
        EightFloats f;
        memcpy(&f,
               data + (((size_t)(k / BLOCK) * positions + position) * blocks + c / BLOCK) * BLOCK * BLOCK +
                   c % BLOCK * BLOCK,
               sizeof(f));
        Eight weights = __builtin_convertvector(f, Eight);
        if (scale) {
            memcpy(&f, scale + k, sizeof(f));
            weights *= __builtin_convertvector(f, Eight);
        }
        return weights;
    }
};

CONV_TILES_INLINE void put(float* to, const Eight& x) {
    const EightFloats f = __builtin_convertvector(x, EightFloats);
    memcpy(to, &f, sizeof(f));
}
CONV_TILES_INLINE Eight get(const float* from) {
    EightFloats f;
    memcpy(&f, from, sizeof(f));
    return __builtin_convertvector(f, Eight);
}

#pragma GCC diagnostic pop

// The kernels' order: [groups of outputs][products][inputs][outputs of the group]. A group is as wide as a tile, WIDE
// vectors; what is left over are groups of one vector.
struct Group {
    int first, wide;  // output channels

    Group(int k, int outputs) {
        const int most = WIDE * LANES, total = roundUp(outputs, LANES), full = total / most * most;
        wide = k < full ? most : LANES;
        first = k < full ? k / most * most : full + (k - full) / LANES * LANES;
    }
};

struct PreparedWeights {
    float* data;
    int products, inputs, outputs;  // inputs: with what is left empty

    float* at(int k, int product, int c) const {
        const Group group(k, outputs);
        return data + (size_t)group.first * products * inputs + ((size_t)product * inputs + c) * group.wide +
               (k - group.first);
    }
    static size_t size(int products, int inputs, int outputs) {
        return (size_t)products * inputs * roundUp(outputs, LANES);
    }
};

}  // namespace
}  // namespace conv_tiles
