// SPDX-License-Identifier: Apache-2.0
// The walk through a model file's graph, before OpenCV sees a byte of it. What it promises stands, numbered, in
// runtime/model_graph.py, whose twin this is; both are held to tests/cases/hostile_models.json.
// Field numbers: https://github.com/onnx/onnx/blob/v1.16.0/onnx/onnx.proto

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "errors.hpp"
#include "model_info.hpp"
#include "protobuf.hpp"
#include "visible.hpp"

namespace yolov5_dnn {

namespace detail {

constexpr std::size_t max_nodes = 10000;  // the largest YOLOv5 has about 900
constexpr std::size_t max_tensors = 10000;
constexpr std::size_t max_outputs = 100;
constexpr std::size_t max_dimensions = 8;
constexpr std::size_t max_values = 4096;  // of a list among the attributes
constexpr const char* swish_domain = "yolov5_dnn";

using Sides = std::vector<std::int64_t>;  // the shape of a value

// The graph is one that no converter writes; the text says what is wrong with it.
class GraphError : public Invalid {
    using Invalid::Invalid;
};

// The product, or 2^62 if it is larger.
inline std::int64_t product(std::int64_t a, std::int64_t b) {
    constexpr std::int64_t most = std::int64_t{1} << 62;
    return a == 0 || b == 0 ? 0 : a > most / b ? most : a * b;
}

// How many numbers a value of this shape has.
inline std::int64_t count_of(const Sides& sides) {
    std::int64_t count = std::count(sides.begin(), sides.end(), 0) ? 0 : 1;
    for (const std::int64_t side : sides) count = product(count, side);
    return count;
}

// Numbers that stand in the file: their shape, and the numbers themselves, flat, unless there are more than
// `max_values`, which are weights.
struct Tensor {
    Sides dims;
    bool whole = false;  // are they of a type without fractions?
    std::vector<double> values;
};

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

// A name within a message.
inline std::string show(const std::string& name) { return "'" + visible(name, 80) + "'"; }

namespace onnx {
using Value = Kind::Value;
inline const std::vector<Kind> value = {{1, "name", Value::name}, {2, "type", Value::span}};
inline const std::vector<Kind> type = {{1, "tensor_type", Value::span}};
inline const std::vector<Kind> tensor_type = {{1, "elem_type", Value::integer}, {2, "shape", Value::span}};
inline const std::vector<Kind> shape = {{1, "dim", Value::span, true}};
inline const std::vector<Kind> dim = {{1, "dim_value", Value::integer}, {2, "dim_param", Value::name}};
inline const std::vector<Kind> graph = {
    {1, "node", Value::span, true},   {2, "name", Value::name},          {5, "initializer", Value::span, true},
    {11, "input", Value::span, true}, {12, "output", Value::span, true}, {15, "sparse_initializer", Value::span, true},
};
inline const std::vector<Kind> node = {
    {1, "input", Value::name, true}, {2, "output", Value::name, true},    {3, "name", Value::name},
    {4, "op_type", Value::name},     {5, "attribute", Value::span, true}, {7, "domain", Value::span},
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
inline const std::vector<Kind> tensor = {
    {1, "dims", Value::integer, true},     {2, "data_type", Value::integer}, {3, "segment", Value::span},
    {4, "float_data", Value::span},        {5, "int32_data", Value::span},   {6, "string_data", Value::span, true},
    {7, "int64_data", Value::span},        {8, "name", Value::name},         {9, "raw_data", Value::span},
    {10, "double_data", Value::span},      {11, "uint64_data", Value::span}, {13, "external_data", Value::span, true},
    {14, "data_location", Value::integer},
};
inline const std::vector<Kind> function = {
    {1, "name", Value::name},       {4, "input", Value::name, true}, {5, "output", Value::name, true},
    {7, "node", Value::span, true}, {10, "domain", Value::name},
};
}  // namespace onnx

// A type of numbers: its data_type, its name, the bytes of one in raw_data, whether it has no fractions, and the other
// field that may hold it.
struct NumberType {
    std::int64_t data_type = 0;
    const char* name = "";
    std::size_t size = 0;
    bool whole = false;
    const char* other = "";
};

inline const NumberType* find_number_type(std::int64_t data_type) {
    static const NumberType types[] = {
        {1, "float32", 4, false, "float_data"}, {2, "uint8", 1, true, "int32_data"},
        {3, "int8", 1, true, "int32_data"},     {6, "int32", 4, true, "int32_data"},
        {7, "int64", 8, true, "int64_data"},    {9, "bool", 1, true, "int32_data"},
        {10, "float16", 2, false, ""},          {11, "float64", 8, false, "double_data"},
    };
    const auto* const found =
        std::find_if(std::begin(types), std::end(types), [&](const NumberType& t) { return t.data_type == data_type; });
    return found == std::end(types) ? nullptr : found;
}

// The number of type T at these bytes, which need not be aligned.
template <typename T>
T number_at(const unsigned char* bytes) {
    T value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
}

// Are all these floating-point numbers finite? Their bits say: an exponent of nothing but ones is not.
template <typename Bits>
bool all_finite(const unsigned char* bytes, std::size_t count, Bits exponent) {
    Bits found = 0;
    for (std::size_t i = 0; i < count; ++i)
        found = static_cast<Bits>(found | ((number_at<Bits>(bytes + i * sizeof(Bits)) & exponent) == exponent));
    return found == 0;
}

inline double half_to_double(std::uint16_t half) {
    const int exponent = half >> 10 & 0x1F, fraction = half & 0x3FF;
    const double size = exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24);
    return half & 0x8000 ? -size : size;
}

inline double to_double(const unsigned char* bytes, const NumberType& type) {
    switch (type.data_type) {
        case 1: return number_at<float>(bytes);
        case 3: return number_at<std::int8_t>(bytes);
        case 6: return number_at<std::int32_t>(bytes);
        case 7: return static_cast<double>(number_at<std::int64_t>(bytes));
        case 10: return half_to_double(number_at<std::uint16_t>(bytes));
        case 11: return number_at<double>(bytes);
        default: return *bytes;
    }
}

// Reads a TensorProto: its name, its shape, and its numbers if they are few. Throws GraphError or Invalid.
inline std::pair<std::string, Tensor> read_tensor(ProtoReader& reader, const Span& span) {
    const ProtoMessage parts = reader.message(span, onnx::tensor);
    const std::string name = parts.name("name"), title = "the tensor " + show(name);
    if (parts.has("external_data") || parts.integer("data_location"))
        throw GraphError(title + " keeps its numbers in another file");
    const NumberType* const type = find_number_type(parts.integer("data_type"));
    if (!type || parts.has("segment") || parts.has("string_data") || parts.has("uint64_data"))
        throw GraphError(title + " is of the type " + std::to_string(parts.integer("data_type")) +
                         ", which no network needs");
    Tensor tensor;
    tensor.whole = type->whole;
    tensor.dims = parts.integers("dims");
    const bool usable = std::all_of(tensor.dims.begin(), tensor.dims.end(),
                                    [](std::int64_t side) { return side >= 0 && side < std::int64_t{1} << 31; });
    if (!usable || tensor.dims.size() > max_dimensions) throw GraphError(title + " has unusable dimensions");
    const std::int64_t count = count_of(tensor.dims);
    std::vector<std::string> payloads;
    for (const char* label : {"raw_data", "float_data", "int32_data", "int64_data", "double_data"})
        if (parts.has(label)) payloads.push_back(label);
    if (payloads.empty() && count == 0) return {name, tensor};
    if (payloads.size() != 1 || (payloads[0] != "raw_data" && payloads[0] != type->other))
        throw GraphError(title + " does not keep its numbers where the type " + type->name + " has them");

    const Span place = parts.span(payloads[0]);
    const unsigned char* const bytes = reader.buffer().data() + place.start;
    const bool varints = payloads[0] == "int32_data" || payloads[0] == "int64_data";
    std::size_t found = place.size() / type->size;
    bool complete = place.size() % type->size == 0;
    if (varints) {  // each ends with the one byte that is below 0x80
        found = static_cast<std::size_t>(
            std::count_if(bytes, bytes + place.size(), [](unsigned char byte) { return byte < 0x80; }));
        complete = place.size() == 0 || bytes[place.size() - 1] < 0x80;
    }
    if (!complete || static_cast<std::int64_t>(found) != count)
        throw GraphError(title + " has " + std::to_string(place.size()) + " bytes, not the " + std::to_string(count) +
                         " numbers of type " + type->name + " that it states");
    if (varints) {
        if (found <= max_values)
            for (const std::int64_t value : reader.integers(place)) tensor.values.push_back(static_cast<double>(value));
        return {name, tensor};
    }
    const bool finite = type->data_type == 1    ? all_finite<std::uint32_t>(bytes, found, 0x7F800000)
                        : type->data_type == 10 ? all_finite<std::uint16_t>(bytes, found, 0x7C00)
                        : type->data_type == 11 ? all_finite<std::uint64_t>(bytes, found, 0x7FF0000000000000)
                                                : true;
    if (!finite) throw GraphError(title + " holds numbers that are not finite");
    if (found <= max_values)
        for (std::size_t i = 0; i < found; ++i) tensor.values.push_back(to_double(bytes + i * type->size, *type));
    return {name, tensor};
}

inline std::pair<std::string, Attribute> read_attribute(ProtoReader& reader, const Span& span,
                                                        const std::string& title) {
    const ProtoMessage parts = reader.message(span, onnx::attribute);
    const std::string name = visible(parts.name("name"), 80), which = "the attribute " + name + " of " + title;
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

// Name and shape of one of the graph's inputs or outputs; 0 is a free side.
inline std::pair<std::string, Sides> stated_shape(ProtoReader& reader, const Span& span) {
    const ProtoMessage parts = reader.message(span, onnx::value);
    const std::string name = parts.name("name"), title = "its value " + show(name);
    if (!parts.has("type")) throw GraphError(title + " is not a tensor");
    const ProtoMessage type = reader.message(parts.span("type"), onnx::type);
    if (!type.has("tensor_type")) throw GraphError(title + " is not a tensor");
    const ProtoMessage stated = reader.message(type.span("tensor_type"), onnx::tensor_type);
    std::vector<Span> dims;
    if (stated.has("shape")) dims = reader.message(stated.span("shape"), onnx::shape).spans("dim");
    if (dims.size() > max_dimensions || !find_number_type(stated.integer("elem_type")))
        throw GraphError(title + " has " + std::to_string(dims.size()) + " dimensions of the type " +
                         std::to_string(stated.integer("elem_type")));
    Sides shape;
    for (const Span& dim : dims) {
        shape.push_back(reader.message(dim, onnx::dim).integer("dim_value"));
        if (shape.back() < 0 || shape.back() >= std::int64_t{1} << 31)
            throw GraphError(title + " has a dimension below 0 or too large");
    }
    return {name, shape};
}

inline Node read_node(ProtoReader& reader, const Span& span, Graph& graph) {
    const ProtoMessage parts = reader.message(span, onnx::node);
    Node node;
    node.op_type = parts.name("op_type");
    node.title = "the node " + show(parts.name("name")) + " (" + visible(node.op_type, 40) + ")";
    std::string domain;
    if (parts.has("domain")) {
        Span start = parts.span("domain");
        start.end = std::min(start.end, start.start + max_name);
        domain = reader.text(start, max_name);
    }
    if (domain == swish_domain && node.op_type == "Swish") {
        graph.domains.push_back(parts.span("domain"));
    } else if (!domain.empty() && domain != "ai.onnx") {
        throw GraphError(node.title + " is an operator of the unknown domain " + show(domain));
    }
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
        throw GraphError("it has not one input of the shape (N, C, H, W)");
    graph.input = free.begin()->first;
    graph.input_dims = free.begin()->second;

    std::set<std::string> written{graph.input};
    for (const auto& tensor : graph.tensors) written.insert(tensor.first);
    for (const Span& place : parts.spans("node")) {
        const Node node = read_node(reader, place, graph);
        for (const std::string& name : node.inputs)
            if (!name.empty() && !written.count(name))
                throw GraphError(node.title + " reads " + show(name) + ", which nothing before it writes");
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
