// SPDX-License-Identifier: Apache-2.0
// A model file's bytes as other readers of ONNX than OpenCV's importer want them. No byte moves.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "graph.hpp"
#include "tensors.hpp"
#include "protobuf.hpp"

namespace yolov5_dnn {

namespace detail {

namespace onnx {
constexpr std::uint64_t value_info_field = 13, nobodys_field = 9;  // of a graph
inline const std::vector<Kind> values = {{11, "input", Value::span, true},
                                         {12, "output", Value::span, true},
                                         {value_info_field, "value_info", Value::span, true}};
inline const std::vector<Kind> only_graph = {{7, "graph", Value::span}};
}  // namespace onnx

// The bytes as they stand in the file: `Swish` nodes have their domain again. The buffer is that of a ModelFile.
inline std::vector<unsigned char> as_in_the_file(const std::vector<unsigned char>& buffer) {
    ProtoReader reader(buffer);
    const Span graph = reader.message({0, 0, buffer.size()}, onnx::only_graph).span("graph");
    std::vector<unsigned char> whole = buffer;
    for (const Span& place : hidden_domains(reader, graph)) whole[place.tag] = tag_of(domain_field);
    return whole;
}

// The bytes for onnxruntime, which takes no other input size than the file states; OpenCV takes any. If the network is
// `dynamic`, may run at other sizes, the sides of the input and of the outputs become names, and the shapes of values in
// between are hidden.
inline std::vector<unsigned char> for_onnxruntime(const std::vector<unsigned char>& buffer, bool dynamic) {
    std::vector<unsigned char> whole = as_in_the_file(buffer);
    if (!dynamic) return whole;
    ProtoReader reader(buffer);
    const Span graph = reader.message({0, 0, buffer.size()}, onnx::only_graph).span("graph");
    const ProtoMessage values = reader.message(graph, onnx::values);
    for (const Span& place : values.spans("value_info"))
        if (whole[place.tag] == tag_of(onnx::value_info_field)) whole[place.tag] = tag_of(onnx::nobodys_field);
    std::vector<Span> sides;
    const auto add = [&](const Span& value, std::size_t from) {
        const std::vector<Span> places = side_places(reader, value);
        for (std::size_t i = from; i < places.size(); ++i) sides.push_back(places[i]);
    };
    add(values.spans("input").at(0), 2);
    for (const Span& place : values.spans("output")) add(place, 1);
    unsigned char name = 'a';
    for (const Span& side : sides) {
        constexpr unsigned char dim_value = 1 << 3, dim_param = tag_of(2);
        const bool short_number = side.size() == 2 || side.size() == 3;  // of one or two bytes
        if (short_number && whole[side.start] == dim_value) {
            whole[side.start] = dim_param;
            whole[side.start + 1] = static_cast<unsigned char>(side.size() - 2);
            if (side.size() == 3) whole[side.start + 2] = name;
        }
        if (name++ == 'z') break;
    }
    return whole;
}

}  // namespace detail

}  // namespace yolov5_dnn
