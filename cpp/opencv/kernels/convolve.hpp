// SPDX-License-Identifier: Apache-2.0
// A whole convolution: which method, with which weights, in which parts on which threads.

#pragma once
#include <atomic>

#include "direct.hpp"
#include "stem.hpp"
#include "stride2.hpp"

namespace conv_tiles {
namespace {

enum class Method { DIRECT, WINOGRAD4, WINOGRAD2, STRIDE2, STEM };

// What stays the same from picture to picture
struct Layer {
    int inputs, outputs, kernel, stride;  // kernel: 1, 3 or 6, square
    bool fromPlanes, toPlanes;            // the input, or the result, is planes, not blocks of 8 channels

    bool isStem() const { return fromPlanes; }
};

// Whether this folder computes it: groups, dilation and rectangular kernels aside, which the caller knows.
inline bool computes(const Layer& layer) {
    if (layer.fromPlanes)
        return !layer.toPlanes && ((layer.kernel == 6 && layer.stride == 2 && layer.inputs == 3) ||
                                   (layer.kernel == 3 && layer.stride == 1 && layer.inputs == 12));
    if (layer.inputs <= BLOCK) return false;  // a half of every vector would be empty
    if (layer.kernel == 1) return layer.stride == 1;
    return layer.kernel == 3 && (layer.stride == 1 || layer.stride == 2) && !layer.toPlanes;
}

inline Method methodFor(const Layer& layer, int height, int width) {
    if (layer.isStem()) return Method::STEM;
    if (layer.kernel == 1) return Method::DIRECT;
    if (layer.stride == 2) return Method::STRIDE2;
    const int tiles = blocksOf(height, F43::M) * blocksOf(width, F43::M);
    return tiles < 10 ? Method::WINOGRAD2 : Method::WINOGRAD4;
}

inline size_t weightsSize(const Layer& layer, Method method) {
    const int inputs = layer.isStem() ? STEM_CHANNELS : layer.inputs;
    switch (method) {
        case Method::DIRECT: return PreparedWeights::size(1, roundUp(inputs, BLOCK), layer.outputs);
        case Method::STRIDE2: return PreparedWeights::size(Stride2::PRODUCTS, roundUp(inputs, LANES), layer.outputs);
        case Method::WINOGRAD2: return PreparedWeights::size(F23::N * F23::N, roundUp(inputs, LANES), layer.outputs);
        default: return PreparedWeights::size(F43::N * F43::N, roundUp(inputs, LANES), layer.outputs);
    }
}

// Floats that prepareWeights() needs for a while
inline size_t preparationScratch(const Layer& layer, Method method) {
    if (method != Method::STEM || layer.kernel != 6) return 0;
    return (size_t)blocksOf(layer.outputs, BLOCK) * 9 * 2 * BLOCK * BLOCK;
}

// `packed` is in OpenCV's order, `to` and `scratch` are zeroed.
inline void prepareWeights(const Layer& layer, Method method, const Packed& packed, float* to, float* scratch) {
    switch (method) {
        case Method::DIRECT: return packDirectWeights(packed, layer.inputs, layer.outputs, to);
        case Method::STRIDE2: return transformStride2Weights(packed, layer.inputs, layer.outputs, to);
        case Method::WINOGRAD2: return transformWeights<F23>(packed, layer.inputs, layer.outputs, to);
        case Method::WINOGRAD4: return transformWeights<F43>(packed, layer.inputs, layer.outputs, to);
        case Method::STEM:
            if (layer.kernel == 3) return transformWeights<F43>(packed, layer.inputs, layer.outputs, to);
            foldStemWeights(packed, layer.outputs, scratch);
            return transformWeights<F43>(Packed{scratch, 9, 2, nullptr}, STEM_CHANNELS, layer.outputs, to);
    }
}

// Weights of 3×3 back in OpenCV's order, zeroed memory: the method changes with the size of the picture, and only the
// first one had the originals.
inline void recoverWeights(const Layer& layer, Method method, float* from, float* packed) {
    if (method == Method::WINOGRAD4) return recoverWeights<F43>(from, layer.inputs, layer.outputs, packed);
    if (method == Method::WINOGRAD2) return recoverWeights<F23>(from, layer.inputs, layer.outputs, packed);
}

// One call. `shape` is that of the layer's input and result as the network sees them.
struct Call {
    const float* input;
    const float* residual;
    float* output;
    int pictures;
    Shape shape;
};

// How a call is divided: into tasks of some tiles (or pixels, or rows of tiles) of a picture and, where those are too few
// for the threads, of some of the output channels.
struct Division {
    Method method;
    Shape shape;  // as the method sees it
    int units, unit, blocks, channelParts, tasks;
    size_t scratch;  // floats for a thread

    Division(const Layer& layer, const Call& call, int threads)
        : method(methodFor(layer, call.shape.height, call.shape.width)), shape(call.shape) {
        constexpr size_t CACHED = 100 << 10;  // floats of transformed patches
        int most;                             // units in a task
        const auto tilesInCache = [&](int products) {
            const size_t bytes = (size_t)products * roundUp(shape.inputs, LANES) * GEMM_ROWS;
            return GEMM_ROWS * (int)std::max<size_t>(1, std::min<size_t>(8, CACHED / bytes));
        };
        unit = GEMM_ROWS;
        switch (method) {
            case Method::DIRECT:
                units = shape.height * shape.width;
                unit = layer.toPlanes ? 40 : TILE_PIXELS;
                most = layer.toPlanes ? 160 : 100;
                break;
            case Method::STRIDE2:
                units = stride2Tiles(shape);
                most = tilesInCache(Stride2::PRODUCTS);
                break;
            case Method::WINOGRAD2:
                units = winogradTiles<F23>(shape);
                most = tilesInCache(F23::N * F23::N);
                break;
            case Method::WINOGRAD4:
                units = winogradTiles<F43>(shape);
                most = tilesInCache(F43::N * F43::N);
                break;
            case Method::STEM:
                shape.inputs = STEM_CHANNELS;
                shape.padTop = shape.padLeft = 1;
                units = blocksOf(shape.height, F43::M);
                unit = 1;
                most = STEM_ROWS;
                break;
        }
        blocks = blocksOf(units, most);
        if (threads > 1) blocks = std::max(blocks, std::min(4 * threads, blocksOf(units, unit)));
        const int groups = blocksOf(shape.outputs, WIDE * LANES), parts = call.pictures * blocks;
        channelParts = parts < threads && method != Method::STEM ? std::min(groups, blocksOf(threads, parts)) : 1;
        tasks = parts * channelParts;
        most = std::min(units, blocksOf(units, blocks) + (method == Method::DIRECT ? unit : 0));
        switch (method) {
            case Method::DIRECT: scratch = layer.toPlanes ? (size_t)most * WIDE * LANES : 0; break;
            case Method::STRIDE2: scratch = stride2Scratch(shape, most); break;
            case Method::WINOGRAD2: scratch = winogradScratch<F23>(shape, most); break;
            case Method::WINOGRAD4: scratch = winogradScratch<F43>(shape, most); break;
            case Method::STEM: scratch = stemScratch(shape); break;
        }
        scratch = (scratch + 15) / 16 * 16;  // every thread's begins a cache line if the first one does
    }

    // Where block number `index` begins; those of pixels are whole units
    int start(int index) const {
        if (method != Method::DIRECT) return partStart(index, units, blocks);
        return std::min(units, partStart(index, blocksOf(units, unit), blocks) * unit);
    }
};

// 1×1 into planes: a group of channels of some pixels is computed in blocks and transposed while it is in the cache.
template <Activation ACTIVATION>
void directToPlanes(const float* input, float* output, const Shape& shape, const float* weights, const Finish& finish,
                    int p0, int p1, int k0, int k1, float* scratch) {
    const size_t pixels = (size_t)shape.height * shape.width;
    for (int k = k0; k < k1; k += WIDE * LANES) {
        const int end = std::min(k1, k + WIDE * LANES);
        const Target target{scratch, (size_t)(p1 - p0) * BLOCK, k, p0};
        direct<ACTIVATION>(input, nullptr, target, shape, weights, finish, p0, p1, k, end);
        blocksToPlanes(scratch, std::min(shape.outputs, end) - k, p1 - p0, output + k * pixels + p0, pixels);
    }
}

template <Activation ACTIVATION>
void runTask(const Layer& layer, const Call& call, const Division& division, const float* weights, const Finish& finish,
             int task, float* scratch) {
    const Shape& shape = division.shape;
    const int groups = blocksOf(shape.outputs, WIDE * LANES), all = roundUp(shape.outputs, LANES);
    const int part = task % division.channelParts, block = task / division.channelParts % division.blocks;
    const int picture = task / division.channelParts / division.blocks;
    const int k0 = partStart(part, groups, division.channelParts) * WIDE * LANES;
    const int k1 = std::min(all, partStart(part + 1, groups, division.channelParts) * WIDE * LANES);
    const int from = division.start(block), to = division.start(block + 1);
    if (from == to || k0 == k1) return;

    const size_t outputs = (size_t)blocksOf(shape.outputs, BLOCK) * shape.outputPlane();
    const float* const residual = call.residual ? call.residual + picture * outputs : nullptr;
    if (layer.isStem()) {
        const size_t size = (size_t)layer.inputs * call.shape.inputHeight * call.shape.inputWidth;
        const Planes planes{call.input + picture * size, call.shape.inputHeight, call.shape.inputWidth,
                            layer.kernel == 6};
        const Target target{call.output + picture * outputs, shape.outputPlane(), 0, 0};
        return stem<ACTIVATION>(planes, target, shape, weights, finish, from, to, k0, k1, scratch);
    }
    const float* const input = call.input + picture * (size_t)blocksOf(shape.inputs, BLOCK) * shape.inputPlane();
    if (layer.toPlanes) {
        float* const output = call.output + picture * (size_t)shape.outputs * shape.height * shape.width;
        return directToPlanes<ACTIVATION>(input, output, shape, weights, finish, from, to, k0, k1, scratch);
    }
    const Target target{call.output + picture * outputs, shape.outputPlane(), 0, 0};
    switch (division.method) {
        case Method::WINOGRAD4:
            return winograd<F43, ACTIVATION>(BlockSource{input, shape}, residual, target, shape, weights, finish, from,
                                             to, k0, k1, scratch);
        case Method::WINOGRAD2:
            return winograd<F23, ACTIVATION>(BlockSource{input, shape}, residual, target, shape, weights, finish, from,
                                             to, k0, k1, scratch);
        case Method::STRIDE2:
            return stride2<ACTIVATION>(input, residual, target, shape, weights, finish, from, to, k0, k1, scratch);
        default: return direct<ACTIVATION>(input, residual, target, shape, weights, finish, from, to, k0, k1);
    }
}

// parallel(n, run) calls run(0) to run(n - 1), on whichever threads; `scratch` has division.scratch floats for each of
// `threads`. Weights are those of division.method. A residual is for blocks only, not with planes.
template <class Parallel>
void convolve(const Layer& layer, const Call& call, const Division& division, const float* weights,
              const Finish& finish, int threads, float* scratch, const Parallel& parallel) {
    withActivation(finish.activation, [&](auto activation) {
        std::atomic<int> next(0);  // a thread that is done takes the next task
        parallel(std::min(threads, division.tasks), [&](int thread) {
            for (int task = next++; task < division.tasks; task = next++)
                runTask<decltype(activation)::value>(layer, call, division, weights, finish, task,
                                                     scratch + thread * division.scratch);
        });
    });
}

}  // namespace
}  // namespace conv_tiles
