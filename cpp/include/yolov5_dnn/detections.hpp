// SPDX-License-Identifier: Apache-2.0
// What was found.

#pragma once

#include <opencv2/core.hpp>

namespace yolov5_dnn {

// One object that was found.
struct Detection {
    int class_id = 0;
    float score = 0;  // objectness × class probability, 0 to 1
    cv::Rect2f box;   // in the image's pixels, within the image
};

}  // namespace yolov5_dnn
