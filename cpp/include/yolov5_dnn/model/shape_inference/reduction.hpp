// SPDX-License-Identifier: Apache-2.0
// ONNX's group `reduction`: many numbers become one.

#pragma once

#include <cstddef>
#include <set>

#include "context.hpp"

namespace yolov5_dnn {

namespace detail {

inline Made reduce(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const Sides axes = ctx.attribute_or_input("axes", 1).value_or(Sides());
    const std::set<std::size_t> reduced = normalize_axes(axes, x.size());
    const bool keep = ctx.integer("keepdims", 1) != 0;
    Sides made;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const bool goes = axes.empty() || reduced.count(i);
        if (!goes) made.push_back(x[i]);
        if (goes && keep) made.push_back(1);
    }
    return {made};
}

inline const Operator reduce_operator = {reduce, {"axes", "keepdims"}, {{"noop_with_empty_axes", 0}}, {1}};

inline const Operators reduction_operators = {
    {"ReduceL2", reduce_operator},  {"ReduceMax", reduce_operator}, {"ReduceMean", reduce_operator},
    {"ReduceMin", reduce_operator}, {"ReduceSum", reduce_operator},
};

}  // namespace detail

}  // namespace yolov5_dnn
