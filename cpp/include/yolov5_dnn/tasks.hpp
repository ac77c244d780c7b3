// SPDX-License-Identifier: Apache-2.0
// What a task changes, in one table. Nothing else asks which task a model file is for: a new task is an entry here, and
// a class of its own beside Detector over the same Network and stages.

#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <opencv2/core.hpp>

#include "decode.hpp"
#include "errors.hpp"
#include "model_info.hpp"

namespace yolov5_dnn {

using Shape = std::vector<int>;  // of an array, the slowest dimension first

struct Task {
    std::string name;                   // as the metadata say it
    std::vector<std::string> required;  // keys that the metadata must have
    // Looks at the values of those keys together. Throws detail::Invalid.
    void (*check)(const ModelInfo& info);
    // The network's outputs, in order, for an input of this size.
    std::vector<Shape> (*output_shapes)(const ModelInfo& info, cv::Size size);
    // Which outputs of an anchor mean what.
    Layout (*layout)(const ModelInfo& info);
};

namespace detail {

inline void check_heads(const ModelInfo& info) {
    if (info.strides.empty() || info.strides.size() != info.anchors.size())
        throw Invalid("there are " + std::to_string(info.strides.size()) + " strides for " +
                      std::to_string(info.anchors.size()) + " outputs with anchors");
    for (const int stride : info.strides)
        if (stride < 1 || stride > max_side)
            throw Invalid("strides must be whole numbers from 1 to " + std::to_string(max_side));
    for (const Anchors& pairs : info.anchors) {
        bool right = !pairs.empty();
        for (const cv::Size2f& pair : pairs)
            right =
                right && pair.width >= 0 && pair.height >= 0 && std::isfinite(pair.width) && std::isfinite(pair.height);
        if (!right) throw Invalid("anchors must be, for each output, pairs of numbers from 0 on");
    }
}

// A head map for each stride, with `outputs` channels for each anchor.
inline std::vector<Shape> head_shapes(const ModelInfo& info, cv::Size size, int outputs) {
    std::vector<Shape> shapes;
    for (std::size_t i = 0; i < info.strides.size(); ++i) {
        const int stride = info.strides[i], channels = static_cast<int>(info.anchors[i].size()) * outputs;
        shapes.push_back({1, channels, size.height / stride, size.width / stride});
    }
    return shapes;
}

inline int class_count(const ModelInfo& info) { return static_cast<int>(info.names.size()); }

}  // namespace detail

inline const std::vector<Task>& tasks() {
    static const std::vector<Task> all = {
        {"detect",
         {"names", "anchors", "strides"},
         detail::check_heads,
         [](const ModelInfo& info, cv::Size size) {
             return detail::head_shapes(info, size, 5 + detail::class_count(info));
         },
         [](const ModelInfo& info) {
             const int end = 5 + detail::class_count(info);
             return Layout{{5, end}, {end, end}};
         }},
    };
    return all;
}

// Throws detail::Invalid for a task that is not in the table.
inline const Task& find_task(const std::string& name) {
    std::string known;
    for (const Task& task : tasks()) {
        if (task.name == name) return task;
        known += (known.empty() ? "'" : ", '") + task.name + "'";
    }
    throw detail::Invalid("the task is '" + name + "', and only " + known + " is supported");
}

}  // namespace yolov5_dnn
