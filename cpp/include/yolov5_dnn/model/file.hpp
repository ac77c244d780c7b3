// SPDX-License-Identifier: Apache-2.0
// Reading the model file: the network's bytes for OpenCV, and its metadata. The file is ONNX, that is a protobuf message.
// What the walk through it promises stands in runtime/model/graph.py.

#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <opencv2/core.hpp>

#include "../errors.hpp"
#include "foreign.hpp"
#include "../program.hpp"
#include "json.hpp"
#include "buffer.hpp"
#include "graph.hpp"
#include "../tasks/model_info.hpp"
#include "shape_inference/infer.hpp"
#include "tensors.hpp"
#include "protobuf.hpp"
#include "../unicode.hpp"
#include "../escape.hpp"

namespace yolov5_dnn {

// An ONNX file in memory, in the form for OpenCV, and its metadata_props: JSON texts by key.
struct ModelFile {
    std::vector<unsigned char> buffer;
    std::map<std::string, std::string> metadata;
};

namespace detail {

constexpr std::uintmax_t max_model_bytes = 0x7FFFFFFF;  // protobuf's own limit

inline bool is_checkpoint(const std::filesystem::path& path) {
    return path.extension() == ".pt" || path.extension() == ".pth";
}

// What a file of another format that export.py writes is, by its suffix; empty for every other file.
inline std::string other_format(const std::filesystem::path& path) {
    static const std::map<std::string, std::string> formats = {
        {".engine", "a TensorRT engine"},          {".tflite", "a TensorFlow Lite model"},
        {".torchscript", "a TorchScript program"}, {".mlmodel", "a Core ML model"},
        {".mlpackage", "a Core ML model"},         {".pb", "a TensorFlow graph"},
    };
    const auto entry = formats.find(utf8(path.extension()));
    return entry == formats.end() ? "" : entry->second;
}
constexpr std::size_t max_metadata = 100;
constexpr std::size_t max_text = std::size_t{1} << 20;  // bytes of one text of metadata

namespace onnx {
inline const std::vector<Kind> model = {
    {2, "producer_name", Value::span},
    {3, "producer_version", Value::span},
    {7, "graph", Value::span},
    {14, "metadata_props", Value::span, true},
    {20, "training_info", Value::span, true},
    {25, "functions", Value::span, true},
};
inline const std::vector<Kind> entry = {{1, "key", Value::span}, {2, "value", Value::span}};
}  // namespace onnx

// The shape of the input that the graph states, and the one that the metadata states, if it is usable.
inline std::set<Sides> input_shapes(const Graph& graph, const std::map<std::string, std::string>& metadata) {
    const auto or_else = [](std::int64_t side, std::int64_t otherwise) { return side ? side : otherwise; };
    const Sides& dims = graph.input_dims;
    const Sides stated{or_else(dims[0], 1), or_else(dims[1], 3), or_else(dims[2], 640), or_else(dims[3], 640)};
    std::set<Sides> shapes{stated};
    try {
        const auto fold = metadata.find("fold"), imgsz = metadata.find("imgsz");
        const double divisor = fold == metadata.end() ? 1 : JsonReader::read(fold->second).number;
        const Json sides = imgsz == metadata.end() ? Json() : JsonReader::read(imgsz->second);
        if (sides.items.size() == 2 && divisor >= 1) {
            const double height = std::floor(sides.items[0].number / divisor);
            const double width = std::floor(sides.items[1].number / divisor);
            if (height >= 1 && height <= max_side && width >= 1 && width <= max_side)
                shapes.insert({1, stated[1], static_cast<std::int64_t>(height), static_cast<std::int64_t>(width)});
        }
    } catch (const Invalid&) {  // read_info will say what is wrong with them
    }
    return shapes;
}

// Collects a ModelProto's metadata, checks its graph, and frees its Swish nodes from their domain: SiLU is written as a
// function `Swish` of the model's own domain. OpenCV looks for a layer called `domain.Swish`, finds none, and would
// refuse the file, although it has a layer `Swish`, faster than a Sigmoid and a Mul. Under another field number of the
// same length the domain is skipped as unknown. Throws Invalid or GraphError.
inline std::map<std::string, std::string> walk_model(std::vector<unsigned char>& buffer) {
    ProtoReader reader(buffer);
    const ProtoMessage parts = reader.message({0, 0, buffer.size()}, onnx::model);
    if (!parts.has("graph")) throw Invalid("it holds no graph");
    if (parts.has("training_info")) throw GraphError("it has a part for training");
    if (parts.spans("metadata_props").size() > max_metadata)
        throw GraphError("it has more than " + std::to_string(max_metadata) + " texts of metadata");
    std::map<std::string, std::string> metadata;
    for (const Span& place : parts.spans("metadata_props")) {
        const ProtoMessage entry = reader.message(place, onnx::entry);
        if (!entry.has("key") || !entry.has("value")) continue;
        const std::string key = reader.text(entry.span("key"), max_name);
        if (!metadata.emplace(key, reader.text(entry.span("value"), max_text)).second)
            throw GraphError("it has the metadata '" + escape(key, 80) + "' twice");
    }
    std::string producer;
    for (const char* label : {"producer_name", "producer_version"}) {
        const std::string text = parts.has(label) ? reader.text(parts.span(label), max_name) : "";
        producer += (producer.empty() || text.empty() ? "" : " ") + text;
    }
    metadata.emplace("producer", producer);

    for (const Span& place : parts.spans("functions")) check_function(reader, place);
    const Graph graph = read_graph(reader, parts.span("graph"));
    Sides largest;
    std::vector<Sides> outputs;
    for (const Sides& shape : input_shapes(graph, metadata)) {
        outputs = check_size(graph, shape);
        largest = shape;
    }
    for (const Span& place : graph.domains) buffer[place.tag] = tag_of(hidden_field);
    return own_metadata(metadata, largest, !graph.input_dims[2] || !graph.input_dims[3], outputs);
}

}  // namespace detail

// Reads an ONNX file. The buffer differs from the file in one respect: `Swish` nodes lose their domain, so
// that OpenCV takes them for its own layer of that name.
// Throws ModelError if there is no such file or it isn't an ONNX model.
inline ModelFile read_model(const std::filesystem::path& path) {
    const std::string name = detail::utf8(path);
    std::error_code error;
    if (!std::filesystem::exists(path, error))
        throw ModelError(detail::is_checkpoint(path)
                             ? "there is no file " + name
                             : "there is no model file " + name + "; " + detail::how_to_make(path));
    const std::string other = detail::other_format(path);
    if (!other.empty()) throw ModelError(name + " is " + other + ", not an ONNX model; " + detail::how_to_convert);
    if (!std::filesystem::is_regular_file(path, error)) throw ModelError(name + " is not a file");
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    if (error) throw ModelError(name + " cannot be read: " + error.message());
    if (size > detail::max_model_bytes)
        throw ModelError(name + " has " + std::to_string(size) + " bytes, more than an ONNX file can have");

    ModelFile model;
    model.buffer.resize(static_cast<std::size_t>(size));
    std::ifstream file(path, std::ios::binary);
    if (!file.read(reinterpret_cast<char*>(model.buffer.data()), static_cast<std::streamsize>(size)))
        throw ModelError(name + " cannot be read");
    const std::string_view head(reinterpret_cast<const char*>(model.buffer.data()), model.buffer.size());
    if (head.substr(0, 4) == "PK\x03\x04" || head.substr(0, 2) == "\x80\x02")
        throw ModelError(name + " is a PyTorch checkpoint, not an ONNX model; " + detail::how_to_convert_this(name));
    try {
        model.metadata = detail::walk_model(model.buffer);
    } catch (const detail::ExportError& unknown) {
        throw ModelError(name + " " + unknown.what() + "; " + detail::how_to_convert);
    } catch (const detail::GraphError& refusal) {
        throw ModelError(name + " is refused: " + refusal.what());
    } catch (const detail::Invalid& invalid) {
        if (detail::is_checkpoint(path))
            throw ModelError(name + " is not an ONNX model; " + detail::how_to_convert_this(name));
        throw ModelError(name + " is not an ONNX model, or a damaged one: " + invalid.what());
    }
    return model;
}

// Checks that a network may run at an input of this shape, (N, C, H, W), which its file doesn't state; `path` is for
// messages only. Throws ModelError if its values would take too much memory or time, or do not fit one another.
inline void check_input(const ModelFile& model, const std::vector<std::int64_t>& shape, const std::string& path) {
    const std::vector<unsigned char> buffer = detail::as_in_the_file(model.buffer);
    detail::ProtoReader reader(buffer);
    try {
        const detail::ProtoMessage parts = reader.message({0, 0, buffer.size()}, detail::onnx::model);
        detail::check_size(detail::read_graph(reader, parts.span("graph")), shape);
    } catch (const detail::GraphError& error) {
        throw ModelError(path + " is refused: " + error.what());
    }
}

namespace detail {

// Gives a file back if its network may run at this size, which can be larger than what it states. Throws ModelError,
// which calls the file `name`.
inline const ModelFile& within_budget(const ModelFile& file, const ModelInfo& info, cv::Size size,
                                      const std::string& name) {
    const int fold = info.fold;
    if (size.height > info.imgsz.height || size.width > info.imgsz.width)
        check_input(file, {1, 3 * fold * fold, size.height / fold, size.width / fold}, name);
    return file;
}

}  // namespace detail

}  // namespace yolov5_dnn
