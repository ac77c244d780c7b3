// SPDX-License-Identifier: Apache-2.0
// How much a network computes and holds at an input size: the shapes of all its values, from its graph alone. One record
// for each operator, from the groups beside this file. A graph with any other
// operator or attribute is refused: OpenCV would take it for any layer or option of its own, from whatever framework.
// Operators: https://github.com/onnx/onnx/blob/v1.16.0/docs/Operators.md

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "../foreign.hpp"
#include "../graph.hpp"
#include "../tensors.hpp"
#include "context.hpp"
#include "logical.hpp"
#include "math.hpp"
#include "nn.hpp"
#include "quantization.hpp"
#include "reduction.hpp"
#include "tensor.hpp"

namespace yolov5_dnn {

namespace detail {

constexpr std::int64_t max_alive = std::int64_t{1} << 30;  // numbers a forward pass may hold at one time: 4 GiB
constexpr std::int64_t max_work = 10000000000000;  // its multiplications; the largest YOLOv5 at 1280 has 4 · 10¹¹

// The record of an operator, or nullptr if it is unknown here.
inline const Operator* find_operator(const std::string& name) {
    for (const auto* const operators : {&math_operators, &logical_operators, &nn_operators, &quantization_operators,
                                        &reduction_operators, &tensor_operators}) {
        const auto entry = operators->find(name);
        if (entry != operators->end()) return &entry->second;
    }
    return nullptr;
}

// Checks that an attribute is one that OpenCV heeds, or has the value that ONNX gives it. Throws GraphError.
inline void check_attribute(const Node& node, const Operator& op, const std::string& name, const Attribute& value) {
    const auto is_name = [&](const char* each) { return name == each; };
    if (std::any_of(op.attributes.begin(), op.attributes.end(), is_name)) return;
    const auto found =
        std::find_if(op.defaults.begin(), op.defaults.end(), [&](const Default& each) { return is_name(each.name); });
    if (found == op.defaults.end()) throw GraphError(node.title + " has the unknown attribute " + name);
    const bool same = found->string ? value.kind == Attribute::Kind::text && value.text == found->string
                                    : value.kind == Attribute::Kind::integer && value.integers.at(0) == found->integer;
    const std::string shown = found->string ? "'" + std::string(found->string) + "'" : std::to_string(found->integer);
    if (!same) throw GraphError(node.title + " has another " + name + " than OpenCV takes, " + shown);
}

// The shapes of a node's inputs, for messages.
inline std::string inputs_of(const Node& node, const std::map<std::string, Sides>& shapes) {
    std::string text;
    for (std::size_t i = 0; i < std::min<std::size_t>(node.inputs.size(), 8); ++i) {
        if (node.inputs[i].empty()) continue;
        std::string sides;
        for (const std::int64_t side : shapes.at(node.inputs[i]))
            sides += (sides.empty() ? "" : "×") + std::to_string(side);
        text += (text.empty() ? "" : ", ") + (sides.empty() ? std::string("1") : sides);
    }
    return text;
}

// Checks what the network computes for an input of this shape (N, C, H, W). Gives the shapes of its outputs. Throws
// GraphError, which names the operator that does not fit, or the budget.
inline std::vector<Sides> check_size(const Graph& graph, const Sides& shape) {
    std::map<std::string, Sides> shapes;
    for (const auto& tensor : graph.tensors) shapes[tensor.first] = tensor.second.dims;
    if (graph.input_dims[1] != 0 && graph.input_dims[1] != shape[1])
        throw GraphError("its input has " + std::to_string(graph.input_dims[1]) + " channels, not " +
                         std::to_string(shape[1]));
    shapes[graph.input] = shape;
    std::map<std::string, std::size_t> last_use;
    for (std::size_t i = 0; i < graph.nodes.size(); ++i)
        for (const std::string& name : graph.nodes[i].inputs) last_use[name] = i;
    for (const std::string& name : graph.outputs) last_use[name] = graph.nodes.size();

    std::map<std::string, Tensor> constants = graph.tensors;
    std::map<std::string, std::int64_t> index_limits;
    std::int64_t alive = count_of(shape), work = 0;
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        const Node& node = graph.nodes[i];
        const Operator* const op = find_operator(node.op_type);
        if (!op) throw GraphError(node.title + " is of an operator that is unknown here" + unsupported(node.op_type));
        for (const auto& [name, value] : node.attributes) check_attribute(node, *op, name, value);
        InferenceContext context(node, shapes, constants, index_limits);
        for (std::size_t k = 0; k < node.inputs.size(); ++k) {
            const auto tensor = constants.find(node.inputs[k]);
            if (tensor == constants.end() || !tensor->second.whole || context.is_index()) continue;
            if (std::find(op->integers.begin(), op->integers.end(), k) == op->integers.end())
                throw GraphError(node.title + " reads integers, " + show(node.inputs[k]) +
                                 ", where it needs floating-point numbers");
        }
        Made made;
        try {
            made = op->rule(context);
        } catch (const InferenceError& error) {
            throw GraphError(node.title + " does not fit its inputs of " + inputs_of(node, shapes) + ": " +
                             error.what());
        }
        if (made.size() < node.outputs.size())
            throw GraphError(node.title + " has " + std::to_string(node.outputs.size()) + " outputs");
        work += context.multiplications;
        for (std::size_t k = 0; k < node.outputs.size(); ++k) {
            if (node.outputs[k].empty()) continue;
            if (count_of(made[k]) == 0 && node.op_type != "Constant")
                throw GraphError(node.title + " leaves nothing of its input");
            if (op->keeps_index && context.is_index()) index_limits[node.outputs[k]] = context.index_limit(0);
            shapes[node.outputs[k]] = made[k];
            alive = std::min(alive + count_of(made[k]), max_alive + 1);
        }
        if (alive > max_alive || work > max_work)
            throw GraphError("for an input of " + std::to_string(shape[2]) + " × " + std::to_string(shape[3]) +
                             " it needs more than " + std::to_string(max_alive * 4 >> 30) +
                             " GiB of values or 1e+13 multiplications, from " + node.title + " on");
        std::set<std::string> names(node.inputs.begin(), node.inputs.end());
        names.insert(node.outputs.begin(), node.outputs.end());
        for (const std::string& name : names) {
            const auto use = last_use.find(name);
            if (!name.empty() && !graph.tensors.count(name) && (use == last_use.end() ? i : use->second) == i)
                alive -= count_of(shapes.at(name));
        }
    }
    std::vector<Sides> outputs;
    for (const std::string& name : graph.outputs) outputs.push_back(shapes.at(name));
    return outputs;
}

}  // namespace detail

}  // namespace yolov5_dnn
