// SPDX-License-Identifier: Apache-2.0
// From a model file's metadata, JSON of a file that may say anything, to what it says about its network.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <opencv2/core.hpp>

#include "../stages/decode.hpp"
#include "../errors.hpp"
#include "../program.hpp"
#include "../model/json.hpp"
#include "model_info.hpp"
#include "tasks.hpp"
#include "../unicode.hpp"

namespace yolov5_dnn {

namespace detail {

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
    const std::string channels = std::to_string(info.channels);
    if (info.channels != 3 && info.fold != 1) throw Invalid("an input of " + channels + " channels cannot be folded");
    if (info.channels != 3 && !info.head->decode)
        throw Invalid("the task " + info.task + " takes 3 channels, not " + channels);
}

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
        if (key == "decoded") info.decoded = to_text(value, key);
        if (key == "input_scale") info.input_scale = to_whole(value, key, 255);
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
        if (key == "source" && value.type != Json::Type::object && value.type != Json::Type::null)
            throw Invalid("source must be an object");
        if (key == "channels") info.channels = to_whole(value, key, max_channels);
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
        const bool oriented = metadata.count("decoded") && metadata.at("decoded") == "\"yolov5\"";
        if (!missing.empty())
            throw ModelError(name + " lacks the metadata " + missing + "; " +
                             (oriented ? "with 181 to 200 columns for classes it could be a network for oriented boxes "
                                         "(yolov5_obb); "
                                       : "") +
                             detail::how_to_convert +
                             (could_be_given ? ", or give Detector the options names, anchors and strides" : ""));
        std::vector<std::string> keys = task.required;
        if (has("decoded")) keys.push_back("input_scale");
        detail::read_head(detail::parse_metadata(metadata, keys, name), given, info);
        if (info.names.empty()) throw detail::Invalid("names must be a list of strings");
        task.check(info);
        detail::read_common(
            detail::parse_metadata(metadata, {"imgsz", "size_multiple", "dynamic", "fold", "channels", "source"}, name),
            info);
        detail::check_info(info);
    } catch (const detail::Invalid& invalid) {
        throw ModelError(name + " has unusable metadata: " + invalid.what());
    }
    const auto producer = metadata.find("producer");
    if (producer != metadata.end()) info.producer = producer->second;
    return info;
}

}  // namespace yolov5_dnn
