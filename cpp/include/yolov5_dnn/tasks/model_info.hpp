// SPDX-License-Identifier: Apache-2.0
// What a model file says about its network, and the sizes of input that fit it.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <opencv2/core.hpp>

#include "../stages/decode.hpp"
#include "../errors.hpp"
#include "../stages/letterbox.hpp"

namespace yolov5_dnn {

namespace detail {

constexpr int max_channels = 16;  // of an image
constexpr int max_side = 8192;    // of the network's input, in pixels: a wrong size should not fill the memory

}  // namespace detail

struct Task;  // see tasks.hpp

struct ModelInfo {
    std::vector<std::string> names;  // of the classes, by class id, UTF-8
    std::vector<int> strides;        // by head map, in pixels
    std::vector<Anchors> anchors;    // by head map
    cv::Size imgsz{640, 640};        // size the network was converted for
    std::string task = "detect";     // the name of one of `tasks()`
    const Task* head = nullptr;      // that one, once `read_info` has looked it up
    bool dynamic = false;            // may the input have another size, divisible by `size_multiple`?
    int size_multiple = 0;           // what height and width of the input must be divisible by
    int fold = 1;                    // side of the squares of pixels that the input holds as channels, see `to_blob`
    int channels = 3;                // of the input: 3, R G B; 1, grey; others are taken as they are given
    std::string producer;            // the program that wrote the file, and its version

    // The shape (N, C, H, W) of the network's input for an image of this size in pixels.
    std::vector<std::int64_t> input_shape(cv::Size size) const {
        return {1, std::int64_t{channels} * fold * fold, size.height / fold, size.width / fold};
    }

    // The overlap at which models of this kind are cut off, if nobody says other.
    double usual_iou_thres(double of_task) const {
        return decoded == "yolov8" ? 0.7 : decoded == "end-to-end" ? 1.0 : of_task;  // above 1 NMS has nothing to do
    }

    // What only some tasks have.
    std::string decoded;                          // the layout of boxes that the network decodes itself
    int input_scale = 1;                          // what its pixels, 0 to 1, are multiplied by
    int reg_max = 0;                              // bins of each distance, of a network without anchors
    int masks = 0;                                // mask coefficients of each box
    int keypoints = 0;                            // of each box
    std::string crop;                             // what a classifier is shown, see `to_classifier_blob`,
    cv::Vec3f mean{0, 0, 0}, deviation{1, 1, 1};  // and how its colours are normalised: R, G, B
};

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

}  // namespace detail

}  // namespace yolov5_dnn
