// SPDX-License-Identifier: Apache-2.0
// What a model file says about its network.

#pragma once

#include <string>
#include <vector>

#include <opencv2/core.hpp>

#include "decode.hpp"

namespace yolov5_dnn {

namespace detail {

constexpr int max_side = 8192;  // of the network's input, in pixels: a wrong size should not fill the memory

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
    std::string producer;            // the program that wrote the file, and its version

    // What only some tasks have.
    int reg_max = 0;                              // bins of each distance, of a network without anchors
    int masks = 0;                                // mask coefficients of each box
    int keypoints = 0;                            // of each box
    std::string crop;                             // what a classifier is shown, see `to_classifier_blob`,
    cv::Vec3f mean{0, 0, 0}, deviation{1, 1, 1};  // and how its colours are normalised: R, G, B
};

}  // namespace yolov5_dnn
