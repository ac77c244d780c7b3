// SPDX-License-Identifier: Apache-2.0
// Reading the model file: the network's bytes for OpenCV, and what the file says about itself. The file is ONNX, that
// is a protobuf message. Only a few of its fields matter here; everything else is skipped by its length.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "errors.hpp"
#include "json.hpp"
#include "model_info.hpp"
#include "protobuf.hpp"
#include "tasks.hpp"
#include "unicode.hpp"

namespace yolov5_dnn {

// An ONNX file in memory, in the form for OpenCV, and its metadata_props: JSON texts by key.
struct ModelFile {
    std::vector<unsigned char> buffer;
    std::map<std::string, std::string> metadata;
};

namespace detail {

constexpr std::uintmax_t max_model_bytes = 0x7FFFFFFF;  // protobuf's own limit
constexpr const char* how_to_convert = "convert its checkpoint with: python -m convert CHECKPOINT.pt";

// Numbers of fields: https://github.com/onnx/onnx/blob/v1.16.0/onnx/onnx.proto
namespace onnx {
constexpr std::uint64_t model_producer_name = 2, model_producer_version = 3, model_graph = 7, model_metadata_props = 14;
constexpr std::uint64_t entry_key = 1, entry_value = 2;
constexpr std::uint64_t graph_node = 1;
constexpr std::uint64_t node_op_type = 4, node_domain = 7, node_unknown = 15;  // the last is nobody's
}  // namespace onnx

// Hides the domain of a Swish node from OpenCV. SiLU is written as a function `Swish` of the model's own
// domain. OpenCV looks for a layer called `domain.Swish`, finds none, and would refuse the file, although it
// has a layer `Swish`, faster than a Sigmoid and a Mul. Under another field number of the same length the domain is
// skipped as unknown.
inline void free_swish(std::vector<unsigned char>& buffer, const ProtoField& node) {
    ProtoReader parts(buffer, node.start, node.end);
    ProtoField part, domain;
    bool swish = false;
    while (parts.next(part)) {
        if (part.is(onnx::node_op_type)) swish = text_of(buffer, part) == "Swish";
        if (part.is(onnx::node_domain)) domain = part;
    }
    if (swish && domain.is(onnx::node_domain) && buffer[domain.tag] == tag_of(onnx::node_domain))
        buffer[domain.tag] = tag_of(onnx::node_unknown);
}

// Collects a ModelProto's metadata, and frees its Swish nodes from their domain. Throws Invalid.
inline std::map<std::string, std::string> walk_model(std::vector<unsigned char>& buffer) {
    std::map<std::string, std::string> metadata;
    std::string producer, producer_version;
    bool has_graph = false;
    ProtoReader fields(buffer, 0, buffer.size());
    ProtoField field, part;
    while (fields.next(field)) {
        ProtoReader parts(buffer, field.start, field.end);
        if (field.is(onnx::model_producer_name)) producer = text_of(buffer, field);
        if (field.is(onnx::model_producer_version)) producer_version = text_of(buffer, field);
        if (field.is(onnx::model_graph)) {
            has_graph = true;
            while (parts.next(part))
                if (part.is(onnx::graph_node)) free_swish(buffer, part);
        }
        if (field.is(onnx::model_metadata_props)) {
            std::optional<std::string> key, value;
            while (parts.next(part)) {
                if (part.is(onnx::entry_key)) key = text_of(buffer, part);
                if (part.is(onnx::entry_value)) value = text_of(buffer, part);
            }
            if (key && value) metadata[*key] = *value;
        }
    }
    if (!has_graph) throw Invalid("it holds no graph");
    const bool both = !producer.empty() && !producer_version.empty();
    metadata.emplace("producer", producer + (both ? " " : "") + producer_version);
    return metadata;
}

// The checks of one metadata value each. They throw Invalid.

inline int to_whole(const Json& json, const std::string& name) {
    if (json.type != Json::Type::number || json.number < 1 || json.number > max_side ||
        std::floor(json.number) != json.number)
        throw Invalid(name + " must be whole numbers from 1 to " + std::to_string(max_side));
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

// Looks at the values that every task has, together. Throws Invalid.
inline void check_info(const ModelInfo& info) {
    if (info.names.empty()) throw Invalid("names must be a list of strings");
    const std::string multiple = std::to_string(info.size_multiple);
    for (const int stride : info.strides)
        if (info.size_multiple % stride)
            throw Invalid("size_multiple " + multiple + " is not divisible by the stride " + std::to_string(stride));
    if (info.imgsz.height % info.size_multiple || info.imgsz.width % info.size_multiple)
        throw Invalid("imgsz " + std::to_string(info.imgsz.height) + " × " + std::to_string(info.imgsz.width) +
                      " is not divisible by the size_multiple " + multiple);
    for (const int stride : info.strides)
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
        throw ModelError("there is no model file " + name + "; " + detail::how_to_convert + " --output " + name);
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
        throw ModelError(name + " is a PyTorch checkpoint, not an ONNX model; " + detail::how_to_convert);
    try {
        model.metadata = detail::walk_model(model.buffer);
    } catch (const detail::Invalid& invalid) {
        throw ModelError(name + " is not an ONNX model, or a damaged one: " + invalid.what());
    }
    return model;
}

namespace detail {

// Parses the metadata that matter here. Throws ModelError, which calls the file `name`.
inline std::map<std::string, Json> parse_metadata(const std::map<std::string, std::string>& metadata,
                                                  const std::string& name) {
    std::map<std::string, Json> values;
    for (const char* key : {"names", "anchors", "strides", "imgsz", "task", "dynamic", "size_multiple", "fold"}) {
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

// The keys that a task requires and neither the file nor `given` has: "names, anchors".
inline std::string missing(const Task& task, const std::map<std::string, Json>& values, const ModelInfo& given) {
    std::string keys;
    for (const std::string& key : task.required) {
        const bool is_given = (key == "names" && !given.names.empty()) ||
                              (key == "anchors" && !given.anchors.empty()) ||
                              (key == "strides" && !given.strides.empty());
        if (!is_given && !values.count(key)) keys += (keys.empty() ? "" : ", ") + key;
    }
    return keys;
}

}  // namespace detail

// Makes the ModelInfo of a file from its metadata, checking every value. What `given` has of names, anchors
// and strides replaces the file's. With all three, the file needs no metadata: its network then counts as one
// of fixed size, 640 × 640 unless the file says other.
// Throws ModelError, which names the value that is missing or wrong.
inline ModelInfo read_info(const std::map<std::string, std::string>& metadata, const std::filesystem::path& path,
                           const ModelInfo& given = {}) {
    const std::string name = detail::utf8(path);
    std::map<std::string, detail::Json> values = detail::parse_metadata(metadata, name);
    ModelInfo info = given;
    try {
        using Type = detail::Json::Type;
        if (values.count("task")) {
            if (values["task"].type != Type::string) throw detail::Invalid("task must be text");
            info.task = values["task"].string;
        }
        const Task& task = find_task(info.task);
        const std::string missing = detail::missing(task, values, given);
        if (!missing.empty())
            throw ModelError(name + " lacks the metadata " + missing + "; " + detail::how_to_convert +
                             ", or give Detector the options names, anchors and strides");
        if (given.names.empty()) info.names = detail::to_names(values["names"]);
        if (given.anchors.empty() && values.count("anchors")) info.anchors = detail::to_anchors(values["anchors"]);
        if (given.strides.empty() && values.count("strides")) info.strides = detail::to_strides(values["strides"]);
        if (values.count("imgsz")) {
            const auto& sides = detail::to_list(values["imgsz"], "imgsz");
            if (sides.size() != 2) throw detail::Invalid("imgsz must be [height, width]");
            info.imgsz = {detail::to_whole(sides[1], "imgsz"), detail::to_whole(sides[0], "imgsz")};
        }
        if (values.count("dynamic")) {
            if (values["dynamic"].type != Type::boolean) throw detail::Invalid("dynamic must be true or false");
            info.dynamic = values["dynamic"].boolean;
        }
        if (values.count("fold")) info.fold = detail::to_whole(values["fold"], "fold");
        task.check(info);
        info.size_multiple = 1;
        for (const int stride : info.strides) info.size_multiple = std::max(info.size_multiple, stride);
        if (values.count("size_multiple"))
            info.size_multiple = detail::to_whole(values["size_multiple"], "size_multiple");
        detail::check_info(info);
    } catch (const detail::Invalid& invalid) {
        throw ModelError(name + " has unusable metadata: " + invalid.what());
    }
    const auto producer = metadata.find("producer");
    if (producer != metadata.end()) info.producer = producer->second;
    return info;
}

}  // namespace yolov5_dnn
