// SPDX-License-Identifier: Apache-2.0
// ONNX's group `quantization`: to integers of 8 bits and back.

#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "context.hpp"

namespace yolov5_dnn {

namespace detail {

// With one scale, or one a channel.
inline Made quantize(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const std::size_t axis = x.size() > 1 ? normalize_axis(ctx.integer("axis", 1), x.size()) : 0;
    const Sides channel = axis < x.size() ? Sides{x[axis]} : Sides();
    for (std::size_t i = 1; i < std::max<std::size_t>(2, ctx.node.inputs.size()); ++i) {
        const Sides& shape = ctx.shape(i);
        require(shape.empty() || shape == Sides{1} || shape == channel,
                "its scale is neither one number nor one for each channel");
    }
    return {x};
}

inline const std::vector<Default> quantize_defaults = {
    {"block_size", 0}, {"output_dtype", 0}, {"precision", 0}, {"saturate", 1}};

inline const Operators quantization_operators = {
    {"DequantizeLinear", {quantize, {"axis"}, quantize_defaults, {0, 2}}},
    {"QuantizeLinear", {quantize, {"axis"}, quantize_defaults, {2}}},
};

}  // namespace detail

}  // namespace yolov5_dnn
