// SPDX-License-Identifier: Apache-2.0
// What a convolution computes, and how its sums are finished. Arrays are in OpenCV's block layout: channels in blocks of
// 8, each block a plane of height × width × 8 floats.

#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "lanes.hpp"

namespace conv_tiles {
namespace {

inline int blocksOf(int count, int size) { return (count + size - 1) / size; }
inline int roundUp(int count, int size) { return blocksOf(count, size) * size; }
// Where the part number `index` of `parts` begins, if `total` things are divided among them
inline int partStart(int index, int total, int parts) { return (int)((int64_t)index * total / parts); }

struct Shape {
    int inputs, outputs;  // channels
    int inputHeight, inputWidth, height, width;
    int padTop, padLeft;

    size_t inputPlane() const { return (size_t)inputHeight * inputWidth * BLOCK; }
    size_t outputPlane() const { return (size_t)height * width * BLOCK; }
};

enum class Activation {
    NONE,
    SLOPE,  // negative numbers times a slope, then at most `most`: ReLU, leaky ReLU, PReLU, ReLU6
    SILU,
    SILU_THEN_ADD  // the residual is added last; with the others, before the activation
};

struct Finish {
    const float* bias;   // as many as the channels, rounded up to 16, the surplus 0
    const float* slope;  // likewise
    float most;
    Activation activation;
};

// Where results go: blocks of 8 channels, each a plane of pixels, from some channel and pixel on.
struct Target {
    float* base;
    size_t plane;
    int channel, pixel;

    float* at(int k, int p) const {
        return base + (size_t)((k - channel) / BLOCK) * plane + (size_t)(p - pixel) * BLOCK;
    }
};

// The constants for 16 output channels from k on, and where their pixels lie in results and residual
template <Activation ACTIVATION>
struct Finisher {
    Vec bias, slope, most;
    float *first, *second;  // second is null if the network has no second block of 8 here
    const float *residualFirst, *residualSecond;

    CONV_TILES_INLINE Finisher(const Finish& finish, const Target& target, const float* residual, size_t plane, int k,
                               int outputs)
        : bias(load(finish.bias + k)), slope(load(finish.slope + k)), most(all(finish.most)) {
        const bool two = k + BLOCK < outputs;
        first = target.at(k, target.pixel);
        second = two ? first + target.plane : nullptr;
        residualFirst = residual ? residual + (size_t)(k / BLOCK) * plane : nullptr;
        residualSecond = two && residual ? residualFirst + plane : residualFirst;
    }
    // `pixel` counts from the target's first one, `residualPixel` from the picture's
    CONV_TILES_INLINE void put(Vec sum, size_t pixel, size_t residualPixel) const {
        const size_t at = pixel * BLOCK, from = residualPixel * BLOCK;
        sum = add(sum, bias);
        Vec residual = zero();
        if (residualFirst) residual = loadPair(residualFirst + from, residualSecond + from);
        if (ACTIVATION != Activation::SILU_THEN_ADD && residualFirst) sum = add(sum, residual);
        if (ACTIVATION == Activation::SLOPE) sum = least(scaleNegative(sum, slope), most);
        if (ACTIVATION == Activation::SILU || ACTIVATION == Activation::SILU_THEN_ADD) sum = silu(sum);
        if (ACTIVATION == Activation::SILU_THEN_ADD && residualFirst) sum = add(sum, residual);
        if (second)
            storePair(first + at, second + at, sum);
        else
            storeFirst(first + at, sum);
    }
};

// Calls run with the activation as a constant.
template <class Run>
inline void withActivation(Activation activation, const Run& run) {
    switch (activation) {
        case Activation::NONE: return run(std::integral_constant<Activation, Activation::NONE>());
        case Activation::SLOPE: return run(std::integral_constant<Activation, Activation::SLOPE>());
        case Activation::SILU: return run(std::integral_constant<Activation, Activation::SILU>());
        case Activation::SILU_THEN_ADD: return run(std::integral_constant<Activation, Activation::SILU_THEN_ADD>());
    }
}

}  // namespace
}  // namespace conv_tiles
