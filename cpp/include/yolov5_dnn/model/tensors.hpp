// SPDX-License-Identifier: Apache-2.0
// The tensors of a model file's graph: their types, their shapes, and that their numbers are all there. Points 3 and 4 of
// what runtime/model/graph.py promises. Weights are looked at where they lie, and not copied.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "../errors.hpp"
#include "protobuf.hpp"
#include "../escape.hpp"

namespace yolov5_dnn {

namespace detail {

constexpr std::size_t max_dimensions = 8;
constexpr std::size_t max_values = 4096;  // of a list among the attributes, and of a tensor that is not weights

using Sides = std::vector<std::int64_t>;  // the shape of a value

// The graph is one that no converter writes; the text says what is wrong with it.
class GraphError : public Invalid {
    using Invalid::Invalid;
};

// A tensor keeps its numbers in another file.
class ExternalDataError : public GraphError {
    using GraphError::GraphError;
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

// A name within a message.
inline std::string show(const std::string& name) { return "'" + escape(name, 80) + "'"; }

namespace onnx {
using Value = Kind::Value;
inline const std::vector<Kind> value = {{1, "name", Value::name}, {2, "type", Value::span}};
inline const std::vector<Kind> type = {{1, "tensor_type", Value::span}};
inline const std::vector<Kind> tensor_type = {{1, "elem_type", Value::integer}, {2, "shape", Value::span}};
inline const std::vector<Kind> shape = {{1, "dim", Value::span, true}};
inline const std::vector<Kind> dim = {{1, "dim_value", Value::integer}, {2, "dim_param", Value::name}};
inline const std::vector<Kind> tensor = {
    {1, "dims", Value::integer, true},     {2, "data_type", Value::integer}, {3, "segment", Value::span},
    {4, "float_data", Value::span},        {5, "int32_data", Value::span},   {6, "string_data", Value::span, true},
    {7, "int64_data", Value::span},        {8, "name", Value::name},         {9, "raw_data", Value::span},
    {10, "double_data", Value::span},      {11, "uint64_data", Value::span}, {13, "external_data", Value::span, true},
    {14, "data_location", Value::integer},
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
        throw ExternalDataError(title + " keeps its numbers in another file");
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

// What the file states of a value: its name, the type of its numbers, and where the sides of its shape stand.
struct Stated {
    std::string name;
    std::int64_t elem_type = 0;
    std::vector<Span> sides;
};

inline Stated read_stated(ProtoReader& reader, const Span& span) {
    const ProtoMessage parts = reader.message(span, onnx::value);
    Stated stated{parts.name("name"), 0, {}};
    const GraphError no_tensor("its value " + show(stated.name) + " is not a tensor");
    if (!parts.has("type")) throw no_tensor;
    const ProtoMessage type = reader.message(parts.span("type"), onnx::type);
    if (!type.has("tensor_type")) throw no_tensor;
    const ProtoMessage tensor = reader.message(type.span("tensor_type"), onnx::tensor_type);
    stated.elem_type = tensor.integer("elem_type");
    if (tensor.has("shape")) stated.sides = reader.message(tensor.span("shape"), onnx::shape).spans("dim");
    return stated;
}

// Where the sides of the shape stand that the file states of a value.
inline std::vector<Span> side_places(ProtoReader& reader, const Span& span) { return read_stated(reader, span).sides; }

// Name and shape of one of the graph's inputs or outputs; 0 is a free side.
inline std::pair<std::string, Sides> stated_shape(ProtoReader& reader, const Span& span) {
    const auto [name, elem_type, dims] = read_stated(reader, span);
    const std::string title = "its value " + show(name);
    if (dims.size() > max_dimensions || !find_number_type(elem_type))
        throw GraphError(title + " has " + std::to_string(dims.size()) + " dimensions of the type " +
                         std::to_string(elem_type));
    Sides shape;
    for (const Span& dim : dims) {
        shape.push_back(reader.message(dim, onnx::dim).integer("dim_value"));
        if (shape.back() < 0 || shape.back() >= std::int64_t{1} << 31)
            throw GraphError(title + " has a dimension below 0 or too large");
    }
    return {name, shape};
}

}  // namespace detail

}  // namespace yolov5_dnn
