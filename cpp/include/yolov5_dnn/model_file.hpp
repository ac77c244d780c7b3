// SPDX-License-Identifier: Apache-2.0
// Reading the model file: the network's bytes for OpenCV, and what the file says about itself. The file is ONNX, that
// is a protobuf message. What the walk through it promises stands in runtime/model_graph.py.

#pragma once

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "errors.hpp"
#include "exports.hpp"
#include "json.hpp"
#include "letterbox.hpp"
#include "model_graph.hpp"
#include "model_info.hpp"
#include "model_shapes.hpp"
#include "protobuf.hpp"
#include "tasks.hpp"
#include "unicode.hpp"
#include "visible.hpp"

namespace yolov5_dnn {

// An ONNX file in memory, in the form for OpenCV, and its metadata_props: JSON texts by key.
struct ModelFile {
    std::vector<unsigned char> buffer;
    std::map<std::string, std::string> metadata;
};

namespace detail {

constexpr std::uintmax_t max_model_bytes = 0x7FFFFFFF;  // protobuf's own limit
constexpr const char* how_to_convert = "convert its checkpoint with: python -m convert CHECKPOINT.pt";

// A path for a shell to read.
inline std::string shell_quoted(const std::string& path) {
    const auto plain = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) || std::strchr("@%+=:,./-_", c);
    };
    if (!path.empty() && std::all_of(path.begin(), path.end(), plain)) return path;
    std::string quoted = "'";
    for (const char c : path) quoted += c == '\'' ? std::string("'\"'\"'") : std::string(1, c);
    return quoted + "'";
}

// Says how a missing model file is made, of the checkpoint beside it if there is one.
inline std::string how_to_make(const std::filesystem::path& path) {
    std::error_code error;
    for (const char* const suffix : {".pt", ".pth"}) {
        const std::filesystem::path beside = std::filesystem::path(path).replace_extension(suffix);
        if (std::filesystem::is_regular_file(beside, error))
            return "convert it with: python -m convert " + shell_quoted(utf8(beside)) + " --output " +
                   shell_quoted(utf8(path));
    }
    return std::string(how_to_convert) + " --output " + shell_quoted(utf8(path));
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
constexpr std::uint64_t node_unknown = 15;  // nobody's field number
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
            throw GraphError("it has the metadata '" + visible(key, 80) + "' twice");
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
    for (const Span& place : graph.domains)
        if (buffer[place.tag] == tag_of(7)) buffer[place.tag] = tag_of(onnx::node_unknown);
    return own_metadata(metadata, largest, !graph.input_dims[2] || !graph.input_dims[3], outputs);
}

// The checks of one metadata value each. They throw Invalid.

inline int to_whole(const Json& json, const std::string& name, int most = max_side) {
    if (json.type != Json::Type::number || json.number < 1 || json.number > most ||
        std::floor(json.number) != json.number)
        throw Invalid(name + " must be whole numbers from 1 to " + std::to_string(most));
    return static_cast<int>(json.number);
}

inline const std::vector<Json>& to_list(const Json& json, const std::string& name) {
    if (json.type != Json::Type::array) throw Invalid(name + " must be a list");
    return json.items;
}

inline std::vector<std::string> to_names(const Json& json) {
    std::vector<std::string> names;
    for (const Json& item : to_list(json, "names")) {
        if (item.type != Json::Type::string) throw Invalid("names must be a list of strings");
        names.push_back(item.string);
    }
    return names;
}

inline std::vector<int> to_strides(const Json& json) {
    std::vector<int> strides;
    for (const Json& item : to_list(json, "strides")) strides.push_back(to_whole(item, "strides"));
    return strides;
}

inline std::vector<Anchors> to_anchors(const Json& json) {
    std::vector<Anchors> anchors;
    for (const Json& output : to_list(json, "anchors")) {
        Anchors pairs;
        std::vector<float> numbers;
        for (const Json& item : to_list(output, "anchors")) {
            if (item.type == Json::Type::number) {  // w, h, w, h … as well as [w, h], [w, h] …
                numbers.push_back(static_cast<float>(item.number));
            } else {
                for (const Json& number : to_list(item, "anchors")) {
                    if (number.type != Json::Type::number) throw Invalid("anchors must be numbers");
                    numbers.push_back(static_cast<float>(number.number));
                }
            }
        }
        for (std::size_t i = 0; i + 1 < numbers.size(); i += 2) pairs.emplace_back(numbers[i], numbers[i + 1]);
        if (numbers.size() % 2) pairs.clear();
        anchors.push_back(pairs);
    }
    return anchors;
}

inline std::string to_text(const Json& json, const std::string& name) {
    if (json.type != Json::Type::string) throw Invalid(name + " must be text");
    return json.string;
}

// A number for red, green and blue.
inline cv::Vec3f to_colours(const Json& json, const std::string& name) {
    cv::Vec3f colours;
    const std::vector<Json>& items = to_list(json, name);
    bool right = items.size() == 3;
    for (int c = 0; right && c < 3; ++c) {
        const Json& item = items[static_cast<std::size_t>(c)];
        colours[c] = static_cast<float>(item.number);
        right = item.type == Json::Type::number && std::isfinite(colours[c]);
    }
    if (!right) throw Invalid(name + " must be three numbers");
    return colours;
}

// Looks at the values that every task has, together. Throws Invalid.
inline void check_info(const ModelInfo& info) {
    const std::string multiple = std::to_string(info.size_multiple);
    for (const int stride : info.strides)
        if (info.size_multiple % stride)
            throw Invalid("size_multiple " + multiple + " is not divisible by the stride " + std::to_string(stride));
    if (info.imgsz.height % info.size_multiple || info.imgsz.width % info.size_multiple)
        throw Invalid("imgsz " + std::to_string(info.imgsz.height) + " × " + std::to_string(info.imgsz.width) +
                      " is not divisible by the size_multiple " + multiple);
    std::vector<int> folded = info.strides;
    if (folded.empty()) folded.push_back(info.size_multiple);
    for (const int stride : folded)
        if (stride % info.fold)
            throw Invalid("fold " + std::to_string(info.fold) + " does not divide the stride " +
                          std::to_string(stride));
}

}  // namespace detail

// Reads an ONNX file. The buffer differs from the file in one respect: `Swish` nodes lose their domain, so
// that OpenCV takes them for its own layer of that name.
// Throws ModelError if there is no such file or it isn't an ONNX model.
inline ModelFile read_model(const std::filesystem::path& path) {
    const std::string name = detail::utf8(path);
    std::error_code error;
    if (!std::filesystem::exists(path, error))
        throw ModelError(path.extension() == ".pt" || path.extension() == ".pth"
                             ? "there is no file " + name
                             : "there is no model file " + name + "; " + detail::how_to_make(path));
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
        throw ModelError(name + " is a PyTorch checkpoint, not an ONNX model; convert it with: python -m convert " +
                         detail::shell_quoted(name));
    try {
        model.metadata = detail::walk_model(model.buffer);
    } catch (const detail::ExportError& other) {
        throw ModelError(name + " " + other.what() + "; " + detail::how_to_convert);
    } catch (const detail::GraphError& refusal) {
        throw ModelError(name + " is refused: " + refusal.what());
    } catch (const detail::Invalid& invalid) {
        throw ModelError(name + " is not an ONNX model, or a damaged one: " + invalid.what());
    }
    return model;
}

// Checks that a network may run at an input of this shape, (N, C, H, W), which its file doesn't state; `path` is for
// messages only. Throws ModelError if its values would take too much memory or time, or do not fit one another.
inline void check_input(const ModelFile& model, const std::vector<std::int64_t>& shape, const std::string& path) {
    detail::ProtoReader reader(model.buffer);
    try {
        const detail::ProtoMessage parts = reader.message({0, 0, model.buffer.size()}, detail::onnx::model);
        detail::check_size(detail::read_graph(reader, parts.span("graph")), shape);
    } catch (const detail::GraphError& error) {
        throw ModelError(path + " is refused: " + error.what());
    }
}

namespace detail {

// Parses the values of those of the keys that there are. Throws ModelError, which calls the file `name`.
inline std::map<std::string, Json> parse_metadata(const std::map<std::string, std::string>& metadata,
                                                  const std::vector<std::string>& keys, const std::string& name) {
    std::map<std::string, Json> values;
    for (const std::string& key : keys) {
        const auto entry = metadata.find(key);
        if (entry == metadata.end()) continue;
        try {
            values[key] = JsonReader::read(entry->second);
        } catch (const Invalid&) {
            throw ModelError(name + " has damaged metadata: " + key + " is not JSON");
        }
    }
    return values;
}

// Whether somebody gave what the metadata call so.
inline bool is_given(const ModelInfo& given, const std::string& key) {
    return (key == "names" && !given.names.empty()) || (key == "anchors" && !given.anchors.empty()) ||
           (key == "strides" && !given.strides.empty());
}

// Takes over the values that tell what the outputs mean, each checked by itself; what is given stays.
inline void read_head(const std::map<std::string, Json>& values, const ModelInfo& given, ModelInfo& info) {
    for (const auto& [key, value] : values) {
        if (is_given(given, key)) continue;
        if (key == "names") info.names = to_names(value);
        if (key == "anchors") info.anchors = to_anchors(value);
        if (key == "strides") info.strides = to_strides(value);
        if (key == "reg_max") info.reg_max = to_whole(value, key, 1024);
        if (key == "masks") info.masks = to_whole(value, key);
        if (key == "keypoints") info.keypoints = to_whole(value, key);
        if (key == "crop") info.crop = to_text(value, key);
        if (key == "mean") info.mean = to_colours(value, key);
        if (key == "std") info.deviation = to_colours(value, key);
    }
}

// The same for what every file may say.
inline void read_common(const std::map<std::string, Json>& values, ModelInfo& info) {
    info.size_multiple = 1;
    for (const int stride : info.strides) info.size_multiple = std::max(info.size_multiple, stride);
    for (const auto& [key, value] : values) {
        if (key == "imgsz") {
            const auto& sides = to_list(value, key);
            if (sides.size() != 2) throw Invalid("imgsz must be [height, width]");
            info.imgsz = {to_whole(sides[1], key), to_whole(sides[0], key)};
        }
        if (key == "dynamic") {
            if (value.type != Json::Type::boolean) throw Invalid("dynamic must be true or false");
            info.dynamic = value.boolean;
        }
        if (key == "fold") info.fold = to_whole(value, key);
        if (key == "size_multiple") info.size_multiple = to_whole(value, key);
    }
}

}  // namespace detail

// Makes the ModelInfo of a file from its metadata, checking every value. What `given` has of names, anchors
// and strides replaces the file's. With all three, the file needs no metadata: its network then counts as one
// of fixed size, 640 × 640 unless the file says other.
// Throws ModelError, which names the value that is missing or wrong.
inline ModelInfo read_info(const std::map<std::string, std::string>& metadata, const std::filesystem::path& path,
                           const ModelInfo& given = {}) {
    const std::string name = detail::utf8(path);
    ModelInfo info = given;
    try {
        for (const auto& [key, value] : detail::parse_metadata(metadata, {"task"}, name))
            info.task = detail::to_text(value, key);
        const auto has = [&](const std::string& key) { return metadata.count(key) || detail::is_given(given, key); };
        const Task& task = find_task(info.task, has);
        info.head = &task;
        std::string missing;
        bool could_be_given = true;
        for (const std::string& key : task.required) {
            if (has(key)) continue;
            missing += (missing.empty() ? "" : ", ") + key;
            could_be_given = could_be_given && (key == "names" || key == "anchors" || key == "strides");
        }
        if (!missing.empty())
            throw ModelError(name + " lacks the metadata " + missing + "; " + detail::how_to_convert +
                             (could_be_given ? ", or give Detector the options names, anchors and strides" : ""));
        detail::read_head(detail::parse_metadata(metadata, task.required, name), given, info);
        if (info.names.empty()) throw detail::Invalid("names must be a list of strings");
        task.check(info);
        detail::read_common(detail::parse_metadata(metadata, {"imgsz", "size_multiple", "dynamic", "fold"}, name),
                            info);
        detail::check_info(info);
    } catch (const detail::Invalid& invalid) {
        throw ModelError(name + " has unusable metadata: " + invalid.what());
    }
    const auto producer = metadata.find("producer");
    if (producer != metadata.end()) info.producer = producer->second;
    return info;
}

namespace detail {

// Chooses the input's size: the model's own, or `imgsz` rounded up to what fits. `free`: whether the model takes
// another size than its own. Throws InputError for a size that it can't have.
inline cv::Size input_size(cv::Size imgsz, const ModelInfo& info, bool free) {
    if (imgsz == cv::Size()) return info.imgsz;
    const auto valid = [](int side) { return side > 0 && side <= max_side; };
    if (!valid(imgsz.width) || !valid(imgsz.height))
        throw InputError("imgsz must be whole numbers from 1 to " + std::to_string(max_side) + ", not " +
                         std::to_string(imgsz.height) + " and " + std::to_string(imgsz.width));
    const cv::Size size(round_up(imgsz.width, info.size_multiple), round_up(imgsz.height, info.size_multiple));
    if (size == info.imgsz || free) return size;
    const auto text = [](cv::Size each, const char* between) {
        return std::to_string(each.height) + between + std::to_string(each.width);
    };
    throw InputError("this model takes " + text(info.imgsz, " × ") + " only, not " + text(size, " × ") +
                     "; convert its checkpoint with --imgsz " + text(size, " ") +
                     ", or with --focus conv for a free size");
}

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
