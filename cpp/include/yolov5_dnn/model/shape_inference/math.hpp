// SPDX-License-Identifier: Apache-2.0
// ONNX's group `math`: arithmetic, functions of single numbers, matrices.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "context.hpp"

namespace yolov5_dnn {

namespace detail {

inline Made matmul(InferenceContext& ctx) {
    const Sides &a = ctx.shape(0), &b = ctx.shape(1);
    require(a.size() >= 2 && b.size() >= 2 && a.back() == b[b.size() - 2], "rows and columns differ in length");
    const Sides outer = broadcast(part_of(a, 0, a.size() - 2), part_of(b, 0, b.size() - 2));
    const Sides made = joined(outer, {a[a.size() - 2], b.back()});
    ctx.multiplications = product(count_of(made), a.back());
    return {made};
}

inline Made gemm(InferenceContext& ctx) {
    Sides a = ctx.shape(0), b = ctx.shape(1);
    require(a.size() == 2 && b.size() == 2, "it needs two matrices");
    if (ctx.integer("transA", 0)) std::swap(a[0], a[1]);
    if (ctx.integer("transB", 0)) std::swap(b[0], b[1]);
    require(a[1] == b[0], "rows and columns differ in length");
    const Sides made{a[0], b[1]};
    require(!ctx.has(2) || broadcast(ctx.shape(2), made) == made, "its bias has another length");
    ctx.multiplications = product(count_of(made), a[1]);
    return {made};
}

inline Made softmax_shape(InferenceContext& ctx) {
    normalize_axis(ctx.integer("axis", -1), ctx.shape(0).size());
    return {ctx.shape(0)};
}

// Of indices, the integer part stays.
inline Made div(InferenceContext& ctx) {
    if (ctx.is_index()) ctx.set_index_limit(0, (ctx.index_limit(0) - 1) / ctx.divisor() + 1);
    return elementwise(ctx);
}

inline Made mod(InferenceContext& ctx) {
    require(ctx.is_index(), "it is of other numbers than indices");
    ctx.set_index_limit(0, std::min(ctx.index_limit(0), ctx.divisor()));
    return elementwise(ctx);
}

inline Made top_k(InferenceContext& ctx) {
    Sides shape = ctx.shape(0);
    const Sides k = ctx.integer_constant(1);
    const std::size_t axis = normalize_axis(ctx.integer("axis", -1), shape.size());
    require(k.size() == 1 && k[0] >= 1 && k[0] <= shape[axis], "there are fewer numbers than it takes");
    ctx.set_index_limit(1, shape[axis]);
    shape[axis] = k[0];
    return {shape, shape};
}

inline const Operators math_operators = {
    {"Abs", {unary}},
    {"Add", {elementwise}},
    {"Ceil", {unary}},
    {"Celu", {unary, {"alpha"}}},
    {"Clip", {unary, {"max", "min"}}},
    {"Cos", {unary}},
    {"Div", {div}},
    {"Elu", {unary, {"alpha"}}},
    {"Erf", {unary}},
    {"Exp", {unary}},
    {"Floor", {unary}},
    {"Gelu", {unary, {"approximate"}}},
    {"Gemm", {gemm, {"alpha", "beta", "transA", "transB"}}},
    {"HardSigmoid", {unary, {"alpha", "beta"}}},
    {"HardSwish", {unary}},
    {"LeakyRelu", {unary, {"alpha"}}},
    {"Log", {unary}},
    {"LogSoftmax", {softmax_shape, {"axis"}}},
    {"MatMul", {matmul}},
    {"Max", {elementwise}},
    {"Mean", {elementwise}},
    {"Min", {elementwise}},
    {"Mish", {unary}},
    {"Mod", {mod, {"fmod"}}},
    {"Mul", {elementwise}},
    {"Neg", {unary}},
    {"PRelu", {elementwise}},
    {"Pow", {elementwise}},
    {"Reciprocal", {unary}},
    {"Relu", {unary}},
    {"Round", {unary}},
    {"Selu", {unary, {"alpha", "gamma"}}},
    {"Sigmoid", {unary}},
    {"Sign", {unary}},
    {"Sin", {unary}},
    {"Softmax", {softmax_shape, {"axis"}}},
    {"Softplus", {unary}},
    {"Softsign", {unary}},
    {"Sqrt", {unary}},
    {"Sub", {elementwise}},
    {"Sum", {elementwise}},
    {"Swish", {unary}},
    {"Tanh", {unary}},
    {"ThresholdedRelu", {unary, {"alpha"}}},
    {"TopK", {top_k, {"axis", "largest", "sorted"}, {}, {1}}},
};

}  // namespace detail

}  // namespace yolov5_dnn
