// SPDX-License-Identifier: Apache-2.0
// Which pixels a network of another exporter takes: from 0 to 1, or from 0 to 255, which it scales itself.

#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "graph.hpp"

namespace yolov5_dnn {

namespace detail {

// Tells by what the graph does to its input before anything else: 255 if it brings 0 … 255 to about 0 … 1. A division by
// 255, or a mean of 123, is one of pixels from 0 to 255; 0.485 is one of pixels from 0 to 1.
inline int input_scale(const Graph& graph) {
    std::map<std::string, const Tensor*> constants;
    for (const auto& [name, tensor] : graph.tensors) constants[name] = &tensor;
    std::string value = graph.input;
    for (const Node& node : graph.nodes) {
        const auto constant = node.attributes.find("value");
        if (node.op_type == "Constant" && constant != node.attributes.end())
            constants[node.outputs[0]] = &constant->second.tensor;
        if (std::find(node.inputs.begin(), node.inputs.end(), value) == node.inputs.end()) continue;
        if (node.op_type == "Cast" || node.op_type == "Identity" || node.op_type == "Transpose" ||
            node.op_type == "Reshape") {  // they change no number
            value = node.outputs[0];
            continue;
        }
        const bool by =
            node.op_type == "Div" || node.op_type == "Mul" || node.op_type == "Sub" || node.op_type == "Add";
        if (!by || node.inputs.size() != 2) return 1;
        const auto other = constants.find(node.inputs[0] == value ? node.inputs[1] : node.inputs[0]);
        if (other == constants.end()) return 1;
        double size = 0;
        for (const double each : other->second->values) size = std::max(size, std::abs(each));
        const bool large = node.op_type == "Mul" ? size > 0 && size < 0.05 : size > 50;
        return large && (node.op_type != "Div" || node.inputs[0] == value) ? 255 : 1;
    }
    return 1;
}

}  // namespace detail

}  // namespace yolov5_dnn
