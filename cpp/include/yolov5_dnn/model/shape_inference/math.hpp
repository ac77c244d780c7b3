// SPDX-License-Identifier: Apache-2.0
// Operators that compute: number by number, along axes, with matrices.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "context.hpp"

namespace yolov5_dnn {

namespace detail {

// Every number by itself.
inline Made same(Operands& o) { return {o.shape(0)}; }

inline Made broadcast(Operands& o) {
    Sides shape = o.shape(0);
    for (std::size_t i = 1; i < o.node.inputs.size(); ++i) shape = wider(shape, o.shape(i));
    return {shape};
}

inline Made matmul(Operands& o) {
    const Sides &a = o.shape(0), &b = o.shape(1);
    need(a.size() >= 2 && b.size() >= 2 && a.back() == b[b.size() - 2], "rows and columns differ in length");
    const Sides outer = wider(part_of(a, 0, a.size() - 2), part_of(b, 0, b.size() - 2));
    const Sides made = joined(outer, {a[a.size() - 2], b.back()});
    o.work = product(count_of(made), a.back());
    return {made};
}

inline Made gemm(Operands& o) {
    Sides a = o.shape(0), b = o.shape(1);
    need(a.size() == 2 && b.size() == 2, "it needs two matrices");
    if (o.integer("transA", 0)) std::swap(a[0], a[1]);
    if (o.integer("transB", 0)) std::swap(b[0], b[1]);
    need(a[1] == b[0], "rows and columns differ in length");
    const Sides made{a[0], b[1]};
    need(!o.has(2) || wider(o.shape(2), made) == made, "its bias has another length");
    o.work = product(count_of(made), a[1]);
    return {made};
}

inline Made reduce(Operands& o) {
    const Sides& x = o.shape(0);
    const Sides axes = o.listed("axes", 1).value_or(Sides());
    const std::set<std::size_t> gone = places(axes, x.size());
    const bool keep = o.integer("keepdims", 1) != 0;
    Sides made;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const bool reduced = axes.empty() || gone.count(i);
        if (!reduced) made.push_back(x[i]);
        if (reduced && keep) made.push_back(1);
    }
    return {made};
}

inline Made along_axis(Operands& o) {
    const Sides& x = o.shape(0);
    const std::size_t axis = axis_of(o.integer("axis", -1), x.size());
    for (std::size_t i = 1; i < o.node.inputs.size(); ++i)
        need(o.shape(i) == part_of(x, axis, x.size()), "its numbers are not one a place");
    return {x};
}

// Normalisation with one number a channel.
inline Made by_channel(Operands& o) {
    const Sides& x = o.shape(0);
    need(x.size() >= 2, "its numbers are not one a channel");
    for (std::size_t i = 1; i < o.node.inputs.size(); ++i)
        need(o.shape(i) == Sides{x[1]}, "its numbers are not one a channel");
    return {x};
}

// To whole numbers and back, with one scale or one a channel.
inline Made quantize(Operands& o) {
    const Sides& x = o.shape(0);
    const std::size_t axis = x.size() > 1 ? axis_of(o.integer("axis", 1), x.size()) : 0;
    const Sides channel = axis < x.size() ? Sides{x[axis]} : Sides();
    for (std::size_t i = 1; i < std::max<std::size_t>(2, o.node.inputs.size()); ++i) {
        const Sides& shape = o.shape(i);
        need(shape.empty() || shape == Sides{1} || shape == channel,
             "its scale is neither one number nor one a channel");
    }
    return {x};
}

inline Made cast(Operands& o) {
    const std::int64_t to = o.integer("to", 0);
    need(to == 1 || to == 10 || to == 11, "it casts to a type without fractions");
    return {o.shape(0)};
}

inline std::map<std::string, Rule> make_arithmetic_rules() {
    std::map<std::string, Rule> rules = {{"Cast", cast}, {"Gemm", gemm}, {"MatMul", matmul}};
    const auto add = [&](Rule rule, const std::vector<std::string>& operators) {
        for (const std::string& each : operators) rules[each] = rule;
    };
    add(same, {"Abs", "Ceil", "Celu", "Clip", "Cos", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish"});
    add(same, {"LeakyRelu", "Log", "Mish", "Neg", "Not", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign"});
    add(same, {"Sin", "Softplus", "Softsign", "Sqrt", "Swish", "Tanh", "ThresholdedRelu"});
    add(broadcast, {"Add", "And", "Div", "Equal", "Greater", "Less", "Max", "Mean", "Min", "Mul", "Or", "PRelu"});
    add(broadcast, {"Pow", "Sub", "Sum", "Where"});
    add(along_axis, {"LayerNormalization", "LogSoftmax", "Softmax"});
    add(by_channel, {"BatchNormalization", "InstanceNormalization"});
    add(quantize, {"DequantizeLinear", "QuantizeLinear"});
    add(reduce, {"ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"});
    return rules;
}

inline const std::map<std::string, Rule> arithmetic_rules = make_arithmetic_rules();

}  // namespace detail

}  // namespace yolov5_dnn
