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
#include "input_scale.hpp"
#include "../tasks/model_info.hpp"
#include "shape_inference/infer.hpp"
#include "tensors.hpp"
#include "protobuf.hpp"
#include "../unicode.hpp"
#include "../escape.hpp"

namespace yolov5_dnn {

// A model file that was read and checked, once; Detector and Classifier take it in place of a path. Several may share
// one, and nobody writes to it.
struct ModelFile {
    std::filesystem::path path;                   // where it was read; it is not read again
    std::vector<unsigned char> buffer;            // its bytes, in the form for OpenCV: Swish nodes lose their domain
    std::map<std::string, std::string> metadata;  // its metadata_props by key; `producer` is the program that wrote it
    detail::Graph graph;
    std::map<detail::Sides, std::vector<detail::Sides>> outputs;  // shapes by the input's, of those that it states

    // Checks that the network may run on an input of this shape, (N, C, H, W). Gives the shapes of the outputs.
    // Throws ModelError if the values in between would take too much memory or time, or do not fit one another.
    std::vector<detail::Sides> check_input(const detail::Sides& shape) const {
        const auto known = outputs.find(shape);
        if (known != outputs.end()) return known->second;
        try {
            return detail::check_size(graph, shape);
        } catch (const detail::GraphError& error) {
            throw ModelError(detail::utf8(path) + " is refused: " + error.what());
        }
    }
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

// Adds the image's channels to the metadata of a file that does not say them, if they are not the usual 3. `stated` are
// those of the graph's input, 0 if it says none. Throws GraphError if the metadata says another number.
inline void add_channels(std::int64_t stated, std::map<std::string, std::string>& metadata) {
    double fold = 1, told = 3;
    try {
        const auto number = [&](const char* key, double& value) {
            const auto entry = metadata.find(key);
            if (entry == metadata.end()) return;
            const Json json = JsonReader::read(entry->second);
            if (json.type != Json::Type::number) throw Invalid("not a number");
            value = json.number;
        };
        number("fold", fold);
        number("channels", told);
    } catch (const Invalid&) {
        return;  // read_info says what is wrong
    }
    if (!(told >= 1 && told <= max_side)) return;  // nor that
    if (!stated || fold < 1 || static_cast<double>(stated) == told * fold * fold) return;
    if (metadata.count("channels"))
        throw GraphError("its metadata says " + std::to_string(static_cast<int>(told)) +
                         " channels, and its network's input has " + std::to_string(stated));
    if (fold == 1) metadata["channels"] = std::to_string(stated);
}

// Collects the metadata of a ModelFile's bytes, checks its graph, and frees its Swish nodes from their domain: SiLU is written as a
// function `Swish` of the model's own domain. OpenCV looks for a layer called `domain.Swish`, finds none, and would
// refuse the file, although it has a layer `Swish`, faster than a Sigmoid and a Mul. Under another field number of the
// same length the domain is skipped as unknown. Throws Invalid or GraphError.
inline void walk_model(ModelFile& file) {
    ProtoReader reader(file.buffer);
    const ProtoMessage parts = reader.message({0, 0, file.buffer.size()}, onnx::model);
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
    file.graph = read_graph(reader, parts.span("graph"));
    const Graph& graph = file.graph;
    for (const Sides& shape : input_shapes(graph, metadata)) file.outputs[shape] = check_size(graph, shape);
    for (const Span& place : graph.domains) file.buffer[place.tag] = tag_of(hidden_field);
    if ((graph.input_dims[3] == 1 || graph.input_dims[3] == 3) && graph.input_dims[1] != 1 && graph.input_dims[1] != 3)
        throw ExportError("takes its channels last, (N, H, W, C), as TensorFlow does; export it with channels first");
    const auto& [largest, outputs] = *file.outputs.rbegin();
    file.metadata =
        own_metadata(metadata, largest, !graph.input_dims[2] || !graph.input_dims[3], outputs, input_scale(graph));
    add_channels(graph.input_dims[1], file.metadata);
}

}  // namespace detail

// Reads an ONNX file and checks all that runtime/model/graph.py promises of it.
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
    model.path = path;
    model.buffer.resize(static_cast<std::size_t>(size));
    std::ifstream file(path, std::ios::binary);
    if (!file.read(reinterpret_cast<char*>(model.buffer.data()), static_cast<std::streamsize>(size)))
        throw ModelError(name + " cannot be read");
    const std::string_view head(reinterpret_cast<const char*>(model.buffer.data()), model.buffer.size());
    if (head.substr(0, 4) == "PK\x03\x04" || head.substr(0, 2) == "\x80\x02")
        throw ModelError(name + " is a PyTorch checkpoint, not an ONNX model; " + detail::how_to_convert_this(name));
    try {
        detail::walk_model(model);
    } catch (const detail::ExportError& unknown) {
        throw ModelError(name + " " + unknown.what() + "; " + detail::how_to_convert);
    } catch (const detail::ExternalDataError& refusal) {
        std::filesystem::path whole = path;
        whole.replace_filename(path.stem().concat("-one-file.onnx"));
        throw ModelError(name + " is refused: " + refusal.what() +
                         "; make it one file with: python -c 'import onnx, sys; onnx.save(onnx.load(sys.argv[1]), "
                         "sys.argv[2])' " +
                         detail::shell_quoted(name) + " " + detail::shell_quoted(detail::utf8(whole)));
    } catch (const detail::GraphError& refusal) {
        throw ModelError(name + " is refused: " + refusal.what());
    } catch (const detail::Invalid& invalid) {
        if (detail::is_checkpoint(path))
            throw ModelError(name + " is not an ONNX model; " + detail::how_to_convert_this(name));
        throw ModelError(name + " is not an ONNX model, or a damaged one: " + invalid.what());
    }
    return model;
}

}  // namespace yolov5_dnn
