// SPDX-License-Identifier: Apache-2.0
// What a task changes, in one table: here is what to add a row to. `read_info` looks a file's task up once, and nothing
// else asks which task it is.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <opencv2/core.hpp>

#include "../stages/anchor_free.hpp"
#include "../stages/candidates.hpp"
#include "../stages/decode.hpp"
#include "decoded.hpp"
#include "../results/detections.hpp"
#include "../errors.hpp"
#include "../escape.hpp"
#include "../stages/letterbox.hpp"
#include "../stages/masks.hpp"
#include "model_info.hpp"

namespace yolov5_dnn {

using Shape = std::vector<int>;  // of an array, the slowest dimension first; −1 is a side of the network's own choice

struct Output {
    std::string name;
    Shape shape;
};

struct Task {
    std::string name;                   // as the metadata say it
    std::vector<std::string> required;  // keys that the metadata must have
    std::string user;                   // what runs such a model, for messages
    // Where such networks are usually cut off, if nobody says other.
    double conf_thres;
    double iou_thres;
    // Looks at the values of those keys together. Throws detail::Invalid.
    void (*check)(const ModelInfo& info);
    // The network's outputs, in order, for an input of this size: a head map for each stride, then what else there is.
    std::vector<Output> (*outputs)(const ModelInfo& info, cv::Size size);
    // Finds the candidates in the head maps. A task that finds none, but answers for the whole image, has no `decode`.
    void (*decode)(const ModelInfo& info, const std::vector<Head>& heads, double conf_thres, bool multi_label,
                   Candidates& found);
    // Brings what is extra of the candidates that were kept to the image, and adds it to their detections. A task that
    // has nothing extra has no `complete`.
    void (*complete)(const ModelInfo& info, const Candidates& kept, const std::vector<cv::Mat>& outputs,
                     const Placement& placement, cv::Size image, std::vector<Detection>& found);
};

namespace detail {

constexpr const char* for_boxes = "Detector, or yolov5-detect";
constexpr const char* for_classes = "Classifier, as in cpp/examples/classify";

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

inline int class_count(const ModelInfo& info) { return static_cast<int>(info.names.size()); }

// What lies where in the outputs of an anchor, with so many extra ones behind the classes, or before them.
inline Layout classes_first(const ModelInfo& info, int extra) {
    const int end = 5 + class_count(info);
    return {{5, end}, {end, end + extra}};
}

inline Layout extra_first(const ModelInfo& info, int extra) {
    return {{5 + extra, 5 + extra + class_count(info)}, {5, 5 + extra}};
}

// A head map for each stride, with the channels that `channels` says.
inline std::vector<Output> head_maps(const ModelInfo& info, cv::Size size,
                                     const std::function<int(std::size_t)>& channels) {
    std::vector<Output> outputs;
    for (std::size_t i = 0; i < info.strides.size(); ++i) {
        const int stride = info.strides[i];
        outputs.push_back({"out" + std::to_string(i), {1, channels(i), size.height / stride, size.width / stride}});
    }
    return outputs;
}

// The same with anchors, each of which has that many outputs.
inline std::vector<Output> anchor_maps(const ModelInfo& info, cv::Size size, int outputs) {
    return head_maps(info, size, [&](std::size_t i) { return static_cast<int>(info.anchors[i].size()) * outputs; });
}

// Boxes and classes, nothing extra.
inline Task detect_task() {
    return {"detect",
            {"names", "anchors", "strides"},
            for_boxes,
            0.25,
            0.45,
            check_heads,
            [](const ModelInfo& info, cv::Size size) { return anchor_maps(info, size, 5 + class_count(info)); },
            [](const ModelInfo& info, const std::vector<Head>& heads, double conf_thres, bool multi_label,
               Candidates& found) {
                decode(heads, info.anchors, info.strides, classes_first(info, 0), conf_thres, multi_label, found);
            },
            nullptr};
}

// The same without anchors, as today's `ultralytics` package trains YOLOv5 ("yolov5u"), and YOLOv8.
inline Task anchor_free_task() {
    return {"detect",
            {"names", "strides", "reg_max"},
            for_boxes,
            0.25,
            0.7,
            [](const ModelInfo& info) {
                if (info.strides.empty()) throw Invalid("there are no strides");
            },
            [](const ModelInfo& info, cv::Size size) {
                return head_maps(info, size, [&](std::size_t) { return 4 * info.reg_max + class_count(info); });
            },
            [](const ModelInfo& info, const std::vector<Head>& heads, double conf_thres, bool multi_label,
               Candidates& found) {
                decode_anchor_free(heads, info.strides, info.reg_max, conf_thres, multi_label, found);
            },
            nullptr};
}

// Networks of other exporters, which decode their boxes themselves, in one of the layouts that `foreign.hpp` tells.
inline Task decoded_task() {
    return {
        "detect",
        {"names", "decoded"},
        for_boxes,
        0.25,
        0.45,
        [](const ModelInfo& info) {
            if (info.decoded != "yolov5" && info.decoded != "yolov8" && info.decoded != "end-to-end")
                throw Invalid("decoded must be yolov5 or yolov8 or end-to-end, not '" + escape(info.decoded, 40) + "'");
        },
        [](const ModelInfo& info, cv::Size) {
            const int classes = class_count(info);
            const Shape shape = info.decoded == "yolov8"   ? Shape{1, 4 + classes, -1}
                                : info.decoded == "yolov5" ? Shape{1, -1, 5 + classes}
                                                           : Shape{1, -1, 6};
            return std::vector<Output>{{"output0", shape}};
        },
        [](const ModelInfo& info, const std::vector<Head>& heads, double conf_thres, bool multi_label,
           Candidates& found) {
            if (info.decoded == "end-to-end")
                decode_final(heads[0], class_count(info), conf_thres, found);
            else
                decode_decoded(heads[0], info.decoded == "yolov5", conf_thres, multi_label, found);
        },
        nullptr};
}

// A box, and which pixels in it belong to the object: each box has `masks` coefficients for the prototypes, the further
// output `proto`.
inline Task segment_task() {
    return {"segment",
            {"names", "anchors", "strides", "masks"},
            for_boxes,
            0.25,
            0.45,
            check_heads,
            [](const ModelInfo& info, cv::Size size) {
                auto outputs = anchor_maps(info, size, 5 + class_count(info) + info.masks);
                outputs.push_back({"proto", {1, info.masks, -1, -1}});
                return outputs;
            },
            [](const ModelInfo& info, const std::vector<Head>& heads, double conf_thres, bool multi_label,
               Candidates& found) {
                const Layout layout = classes_first(info, info.masks);
                // YOLOv5's NMS multiplies everything after the objectness by it, the coefficients, too. That moves no
                // pixel's sign, but some pixels of the border once the masks are scaled up.
                const auto coefficients = [&](const Picked& picked, float* extra) {
                    const float objectness = sigmoid(picked[4]);
                    for (int k = layout.extra.start; k < layout.extra.end; ++k) *extra++ = picked[k] * objectness;
                };
                decode(heads, info.anchors, info.strides, layout, conf_thres, multi_label, found, coefficients);
            },
            [](const ModelInfo& info, const Candidates& kept, const std::vector<cv::Mat>& outputs,
               const Placement& placement, cv::Size image, std::vector<Detection>& found) {
                if (!found.empty() && !cv::checkRange(outputs.back())) throw ModelError(not_finite);
                const Head prototypes = head_of(outputs.back()), finest = head_of(outputs.front());
                const cv::Size canvas(finest.nx * info.strides[0], finest.ny * info.strides[0]);
                for (std::size_t i = 0; i < kept.size(); ++i) {
                    const float* const coefficients = kept.extra.data() + i * kept.extra_width;
                    found[i].mask = {make_bitmap(prototypes, coefficients, kept.xyxy[i], canvas), placement, image};
                }
            }};
}

// Boxes with keypoints: the faces and their five landmarks of yolov5-face. A point lies at raw · anchor + cell ·
// stride, without a sigmoid and without the boxes' half cell: https://github.com/deepcam-cn/yolov5-face
// (models/yolo.py).
inline Task keypoints_task() {
    return {"keypoints",
            {"names", "anchors", "strides", "keypoints"},
            for_boxes,
            0.6,
            0.5,
            check_heads,
            [](const ModelInfo& info, cv::Size size) {
                return anchor_maps(info, size, 5 + 2 * info.keypoints + class_count(info));
            },
            [](const ModelInfo& info, const std::vector<Head>& heads, double conf_thres, bool multi_label,
               Candidates& found) {
                const Layout layout = extra_first(info, 2 * info.keypoints);
                const auto points = [&](const Picked& picked, float* extra) {
                    for (int k = layout.extra.start; k < layout.extra.end; k += 2) {
                        *extra++ = picked[k] * picked.anchor.width + picked.cell.x * picked.stride;
                        *extra++ = picked[k + 1] * picked.anchor.height + picked.cell.y * picked.stride;
                    }
                };
                // Of several classes each that scores high enough counts, as in yolov5-face.
                const bool several = multi_label || class_count(info) > 1;
                decode(heads, info.anchors, info.strides, layout, conf_thres, several, found, points);
            },
            [](const ModelInfo&, const Candidates& kept, const std::vector<cv::Mat>&, const Placement& placement,
               cv::Size image, std::vector<Detection>& found) {
                for (std::size_t i = 0; i < kept.size(); ++i) {
                    const float* const points = kept.extra.data() + i * kept.extra_width;
                    for (std::size_t k = 0; k < kept.extra_width; k += 2) {
                        const float x = points[k], y = points[k + 1];
                        const cv::Vec4f place = unletterbox({x, y, x, y}, placement, image);
                        found[i].keypoints.emplace_back(place[0], place[1]);  // outside it comes to the edge
                    }
                }
            }};
}

// One answer for the whole image: logits of the classes, for a square cut from it, with its colours normalised.
inline Task classify_task() {
    return {"classify",
            {"names", "crop", "mean", "std"},
            for_classes,
            0,
            0,
            [](const ModelInfo& info) {
                if (info.crop != "square" && info.crop != "shorter-side")
                    throw Invalid("crop must be square or shorter-side, not '" + info.crop + "'");
                for (int c = 0; c < 3; ++c)
                    if (!(info.deviation[c] > 0)) throw Invalid("std must be above 0");
            },
            [](const ModelInfo& info, cv::Size) {
                return std::vector<Output>{{"out0", {1, class_count(info)}}};
            },
            nullptr,
            nullptr};
}

}  // namespace detail

// Several kinds of network may share a name: of these the first one whose metadata is there is taken.
inline const std::vector<Task>& tasks() {
    static const std::vector<Task> all = {detail::detect_task(),  detail::anchor_free_task(), detail::decoded_task(),
                                          detail::segment_task(), detail::keypoints_task(),   detail::classify_task()};
    return all;
}

// Looks a task up by the metadata's `task`; has(key) tells which metadata there is.
// Throws detail::Invalid for a task that is not in the table.
inline const Task& find_task(const std::string& name, const std::function<bool(const std::string&)>& has) {
    const Task *named = nullptr, *told = nullptr;
    std::string known, last;
    for (const Task& task : tasks()) {
        if (task.name == name) {
            if (std::all_of(task.required.begin(), task.required.end(), has)) return task;
            if (!named) named = &task;
            if (!told && has(task.required.back())) told = &task;  // which no other task has, and so tells most
        }
        if (task.name != last) known += (known.empty() ? "'" : " or '") + task.name + "'";
        last = task.name;
    }
    if (named) return told ? *told : *named;
    throw detail::Invalid("the task is '" + name + "', and only " + known + " is supported");
}

}  // namespace yolov5_dnn
