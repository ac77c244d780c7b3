// SPDX-License-Identifier: Apache-2.0
// How much a network computes and holds at an input size: the shapes of all its values, from its graph alone. One rule
// for each operator (in operators/), from the shapes of its inputs to those of its outputs. A graph with any other
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

#include "../graph.hpp"
#include "../tensors.hpp"
#include "math.hpp"
#include "tensor.hpp"
#include "context.hpp"
#include "nn.hpp"

namespace yolov5_dnn {

namespace detail {

constexpr std::int64_t max_alive = std::int64_t{1} << 30;  // numbers a forward pass may hold at one time: 4 GiB
constexpr std::int64_t max_work = 10000000000000;  // its multiplications; the largest YOLOv5 at 1280 has 4 · 10¹¹

// The rule of an operator, or nullptr if it is unknown here.
inline Rule find_rule(const std::string& operator_name) {
    for (const auto* const rules : {&sliding_rules, &arranging_rules, &arithmetic_rules}) {
        const auto entry = rules->find(operator_name);
        if (entry != rules->end()) return entry->second;
    }
    return nullptr;
}

// May the operator read constants of whole numbers: sizes, axes, quantized weights?
inline bool reads_whole_numbers(const std::string& operator_name) {
    static const std::set<std::string> operators = {
        "DequantizeLinear", "Expand",  "Pad",    "QuantizeLinear", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin",
        "ReduceSum",        "Reshape", "Resize", "Slice",          "Split",    "Squeeze",   "Tile",       "Unsqueeze",
        "Upsample"};
    return operators.count(operator_name) > 0;
}

// Is it one of ONNX's own attributes of the operators here?
inline bool is_attribute(const std::string& name) {
    // clang-format off
    static const std::set<std::string> attributes = {
        "allowzero", "alpha", "antialias", "approximate", "auto_pad", "axes", "axis", "beta", "blocksize",
        "ceil_mode", "coordinate_transformation_mode", "count_include_pad", "cubic_coeff_a", "dilations",
        "ends", "epsilon", "exclude_outside", "extrapolation_value", "gamma", "group", "keepdims",
        "kernel_shape", "max", "min", "mode", "momentum", "nearest_mode", "noop_with_empty_axes", "num_outputs",
        "output_padding", "pads", "perm", "ratio", "scales", "seed", "shape", "spatial", "split", "starts",
        "steps", "storage_order", "strides", "to", "training_mode", "transA", "transB", "value", "value_float",
        "value_floats", "value_int", "value_ints"};
    // clang-format on
    return attributes.count(name) > 0;
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

// Checks what the network computes for an input of this shape (N, C, H, W). Gives the shapes of its outputs. Throws GraphError, which names the operator
// that does not fit, or the budget.
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
    std::int64_t alive = count_of(shape), work = 0;
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        const Node& node = graph.nodes[i];
        const Rule rule = find_rule(node.op_type);
        if (!rule)
            throw GraphError(node.title + " is of an operator that is unknown here" +
                             (node.op_type == "Shape" ? "; export it again with simplify and without dynamic" : "") +
                             (node.op_type == "TopK" ? "; export it again without NMS" : ""));
        for (const auto& attribute : node.attributes)
            if (!is_attribute(attribute.first))
                throw GraphError(node.title + " has the unknown attribute " + attribute.first);
        for (const std::string& name : node.inputs) {
            const auto tensor = constants.find(name);
            if (tensor != constants.end() && tensor->second.whole && !reads_whole_numbers(node.op_type))
                throw GraphError(node.title + " reads whole numbers, " + show(name) + ", where it needs others");
        }
        Operands operands(node, shapes, constants);
        Made made;
        try {
            made = rule(operands);
        } catch (const Misfit& misfit) {
            throw GraphError(node.title + " does not fit its inputs of " + inputs_of(node, shapes) + ": " +
                             misfit.what());
        }
        if (made.size() < node.outputs.size())
            throw GraphError(node.title + " has " + std::to_string(node.outputs.size()) + " outputs");
        work += operands.work;
        for (std::size_t k = 0; k < node.outputs.size(); ++k) {
            if (node.outputs[k].empty()) continue;
            if (count_of(made[k]) == 0 && node.op_type != "Constant")
                throw GraphError(node.title + " leaves nothing of its input");
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
