// SPDX-License-Identifier: Apache-2.0
// The walk through a model file's graph, before OpenCV sees a byte of it. What it promises stands, numbered, in
// runtime/model/graph.py, whose twin this is; both are held to tests/cases/hostile_models.json.
// Field numbers: https://github.com/onnx/onnx/blob/v1.16.0/onnx/onnx.proto

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tensors.hpp"
#include "protobuf.hpp"
#include "../escape.hpp"

namespace yolov5_dnn {

namespace detail {

constexpr std::size_t max_nodes = 10000;  // the largest YOLOv5 has about 900
constexpr std::size_t max_tensors = 10000;
constexpr std::size_t max_outputs = 100;
constexpr const char* swish_domain = "yolov5_dnn";
constexpr std::uint64_t domain_field = 7;
constexpr std::uint64_t hidden_field = 15;  // no node of ONNX has it: `read_model` puts the domain of Swish under it

struct Attribute {
    enum class Kind { integer, real, text, tensor, reals, integers, texts };
    Kind kind = Kind::integer;
    std::vector<std::int64_t> integers;
    std::vector<float> reals;
    std::string text;
    Tensor tensor;
};

// One operator: `title` says in messages which it is; inputs may be "", which stands for "left out".
struct Node {
    std::string title;
    std::string op_type;
    std::vector<std::string> inputs;
    std::vector<std::string> outputs;
    std::map<std::string, Attribute> attributes;
};

// What was read. input_dims: 0 where the file leaves a side free. domains: where those of Swish nodes stand.
struct Graph {
    std::string input;
    Sides input_dims;
    std::vector<std::string> outputs;
    std::vector<Node> nodes;
    std::map<std::string, Tensor> tensors;
    std::vector<Span> domains;
};

namespace onnx {
inline const std::vector<Kind> graph = {
    {1, "node", Value::span, true},   {2, "name", Value::name},          {5, "initializer", Value::span, true},
    {11, "input", Value::span, true}, {12, "output", Value::span, true}, {15, "sparse_initializer", Value::span, true},
};
inline const std::vector<Kind> node = {
    {1, "input", Value::name, true},
    {2, "output", Value::name, true},
    {3, "name", Value::name},
    {4, "op_type", Value::name},
    {5, "attribute", Value::span, true},
    {domain_field, "domain", Value::span},
    {hidden_field, "hidden", Value::span, true},
};
inline const std::vector<Kind> attribute = {
    {1, "name", Value::name},
    {2, "f", Value::real},
    {3, "i", Value::integer},
    {4, "s", Value::name},
    {5, "t", Value::span},
    {6, "g", Value::span},
    {7, "floats", Value::real, true},
    {8, "ints", Value::integer, true},
    {9, "strings", Value::name, true},
    {10, "tensors", Value::span, true},
    {11, "graphs", Value::span, true},
    {14, "tp", Value::span},
    {15, "type_protos", Value::span, true},
    {20, "type", Value::integer},
    {21, "ref_attr_name", Value::name},
    {22, "sparse_tensor", Value::span},
    {23, "sparse_tensors", Value::span, true},
};
inline const std::vector<Kind> function = {
    {1, "name", Value::name},       {4, "input", Value::name, true}, {5, "output", Value::name, true},
    {7, "node", Value::span, true}, {10, "domain", Value::name},
};
}  // namespace onnx

inline std::pair<std::string, Attribute> read_attribute(ProtoReader& reader, const Span& span,
                                                        const std::string& title) {
    const ProtoMessage parts = reader.message(span, onnx::attribute);
    const std::string name = escape(parts.name("name"), 80), which = "the attribute " + name + " of " + title;
    static const std::map<std::int64_t, std::pair<Attribute::Kind, std::string>> kinds = {
        {1, {Attribute::Kind::real, "f"}},       {2, {Attribute::Kind::integer, "i"}},
        {3, {Attribute::Kind::text, "s"}},       {4, {Attribute::Kind::tensor, "t"}},
        {6, {Attribute::Kind::reals, "floats"}}, {7, {Attribute::Kind::integers, "ints"}},
        {8, {Attribute::Kind::texts, "strings"}}};
    const auto kind = kinds.find(parts.integer("type"));
    bool usable = kind != kinds.end();
    for (const auto& field : onnx::attribute)
        if (usable && parts.has(field.label) && std::string(field.label) != "name" &&
            std::string(field.label) != "type" && field.label != kind->second.second)
            usable = false;
    if (usable && (kind->second.first == Attribute::Kind::text || kind->second.first == Attribute::Kind::tensor))
        usable = parts.has(kind->second.second);
    if (!usable) throw GraphError(which + " is of a kind that no network needs");
    Attribute attribute;
    attribute.kind = kind->second.first;
    if (parts.has("t")) attribute.tensor = read_tensor(reader, parts.span("t")).second;
    attribute.text = parts.name("s");
    attribute.integers =
        attribute.kind == Attribute::Kind::integer ? Sides{parts.integer("i")} : parts.integers("ints");
    attribute.reals = parts.reals(attribute.kind == Attribute::Kind::real ? "f" : "floats");
    if (attribute.kind == Attribute::Kind::real && attribute.reals.empty()) attribute.reals.push_back(0);
    for (const float value : attribute.reals)
        if (!std::isfinite(value)) throw GraphError(which + " is not finite");
    if (std::max({attribute.integers.size(), attribute.reals.size(), parts.spans("strings").size()}) > max_values)
        throw GraphError(which + " has more than " + std::to_string(max_values) + " values");
    return {name, attribute};
}

inline Node read_node(ProtoReader& reader, const Span& span, Graph& graph) {
    const ProtoMessage parts = reader.message(span, onnx::node);
    Node node;
    node.op_type = parts.name("op_type");
    node.title = "the node " + show(parts.name("name")) + " (" + escape(node.op_type, 40) + ")";
    std::string domain;
    if (parts.has("domain")) {
        Span start = parts.span("domain");
        start.end = std::min(start.end, start.start + max_name);
        domain = reader.text(start, max_name);
    }
    if (domain == swish_domain && node.op_type == "Swish") {
        const Span place = parts.span("domain");
        if (place.start - place.tag != 2)  // its number or its length would not fit into the byte it needs
            throw GraphError(node.title + " writes the field of its domain longer than it is");
        graph.domains.push_back(place);
    } else if (!domain.empty() && domain != "ai.onnx") {
        throw GraphError(node.title + " is an operator of the unknown domain " + show(domain));
    }
    if (parts.has("hidden"))
        throw GraphError(node.title + " has a field " + std::to_string(hidden_field) + ", which ONNX does not know");
    node.inputs = parts.names("input");
    node.outputs = parts.names("output");
    const bool writes = std::any_of(node.outputs.begin(), node.outputs.end(), [](const auto& o) { return !o.empty(); });
    if (!writes || node.inputs.size() > max_values || node.outputs.size() > max_values)
        throw GraphError(node.title + " has " + std::to_string(node.inputs.size()) + " inputs and " +
                         std::to_string(node.outputs.size()) + " outputs");
    for (const Span& place : parts.spans("attribute")) {
        const auto attribute = read_attribute(reader, place, node.title);
        if (!node.attributes.insert(attribute).second)
            throw GraphError(node.title + " has the attribute " + attribute.first + " twice");
    }
    return node;
}

// Finds the domains of Swish nodes in a GraphProto in which they were hidden. Throws Invalid.
inline std::vector<Span> hidden_domains(ProtoReader& reader, const Span& span) {
    std::vector<Span> places;
    for (const Span& node : reader.message(span, onnx::graph).spans("node"))
        for (const Span& place : reader.message(node, onnx::node).spans("hidden")) places.push_back(place);
    return places;
}

// Reads the GraphProto in a span and checks all that holds for any input size. Throws GraphError or Invalid.
inline Graph read_graph(ProtoReader& reader, const Span& span) {
    const ProtoMessage parts = reader.message(span, onnx::graph);
    if (parts.has("sparse_initializer")) throw GraphError("it has sparse tensors");
    const std::pair<const char*, std::size_t> caps[] = {
        {"node", max_nodes}, {"initializer", max_tensors}, {"input", max_tensors}, {"output", max_outputs}};
    for (const auto& cap : caps)
        if (parts.spans(cap.first).size() > cap.second)
            throw GraphError("it has more than " + std::to_string(cap.second) + " " + cap.first + "s");
    Graph graph;
    for (const Span& place : parts.spans("initializer")) {
        const auto tensor = read_tensor(reader, place);
        if (tensor.first.empty()) throw GraphError("a tensor has no name");
        if (!graph.tensors.insert(tensor).second) throw GraphError("it has two tensors called " + show(tensor.first));
    }
    std::map<std::string, Sides> free;
    for (const Span& place : parts.spans("input")) {
        const auto input = stated_shape(reader, place);
        if (!graph.tensors.count(input.first)) free[input.first] = input.second;
    }
    if (free.size() != 1 || free.begin()->second.size() != 4)
        throw GraphError("it does not have exactly one input of the shape (N, C, H, W)");
    graph.input = free.begin()->first;
    graph.input_dims = free.begin()->second;

    std::set<std::string> written{graph.input};
    for (const auto& tensor : graph.tensors) written.insert(tensor.first);
    for (const Span& place : parts.spans("node")) {
        const Node node = read_node(reader, place, graph);
        for (const std::string& name : node.inputs)
            if (!name.empty() && !written.count(name))
                throw GraphError(node.title + " reads " + show(name) +
                                 ", which nothing before it writes; conversions to float16 leave such files: take the "
                                 "float32 one that it was made of");
        for (const std::string& name : node.outputs)
            if (!name.empty() && !written.insert(name).second)
                throw GraphError(node.title + " writes " + show(name) + ", which is there already");
        graph.nodes.push_back(node);
    }
    for (const Span& place : parts.spans("output")) {
        graph.outputs.push_back(stated_shape(reader, place).first);
        if (!written.count(graph.outputs.back()))
            throw GraphError("its output " + show(graph.outputs.back()) + " is written by nothing");
    }
    if (graph.outputs.empty()) throw GraphError("it has no outputs");
    return graph;
}

// Checks that a FunctionProto is `yolov5_dnn.Swish`: x·sigmoid(x). Throws GraphError or Invalid.
inline void check_function(ProtoReader& reader, const Span& span) {
    const ProtoMessage parts = reader.message(span, onnx::function);
    const std::vector<Span> nodes = parts.spans("node");
    const std::vector<std::string> inputs = parts.names("input"), outputs = parts.names("output");
    bool swish = parts.name("name") == "Swish" && parts.name("domain") == swish_domain && inputs.size() == 1 &&
                 outputs.size() == 1 && nodes.size() == 2;
    if (swish) {
        const ProtoMessage gate = reader.message(nodes[0], onnx::node), mul = reader.message(nodes[1], onnx::node);
        std::vector<std::string> factors = mul.names("input"), wanted = gate.names("output");
        wanted.push_back(inputs[0]);
        std::sort(factors.begin(), factors.end());
        std::sort(wanted.begin(), wanted.end());
        swish = gate.name("op_type") == "Sigmoid" && gate.names("input") == inputs && mul.name("op_type") == "Mul" &&
                mul.names("output") == outputs && factors == wanted && !gate.has("attribute") && !mul.has("attribute");
    }
    if (!swish)
        throw GraphError("it defines a function " + show(parts.name("name")) + ", and Swish is the only one known");
}

}  // namespace detail

}  // namespace yolov5_dnn
