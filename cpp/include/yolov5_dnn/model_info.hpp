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

struct ModelInfo {
    std::vector<std::string> names;  // of the classes, by class id, UTF-8
    std::vector<int> strides;        // by output, in pixels
    std::vector<Anchors> anchors;    // by output
    cv::Size imgsz{640, 640};        // size the network was converted for
    std::string task = "detect";     // one of `tasks()`
    bool dynamic = false;            // may the input have another size, divisible by `size_multiple`?
    int size_multiple = 0;           // what height and width of the input must be divisible by
    int fold = 1;                    // side of the squares of pixels that the input holds as channels, see `to_blob`
    std::string producer;            // the program that wrote the file, and its version
};

}  // namespace yolov5_dnn
