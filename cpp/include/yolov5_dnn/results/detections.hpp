// SPDX-License-Identifier: Apache-2.0
// What was found.

#pragma once

#include <vector>

#include <opencv2/core.hpp>

#include "../stages/masks.hpp"

namespace yolov5_dnn {

// One object that was found.
struct Detection {
    int class_id = 0;
    float score = 0;                          // objectness × class probability, 0 to 1
    cv::Rect2f box;                           // in the image's pixels, within the image
    Mask mask = {};                           // empty where the model gives none
    std::vector<cv::Point2f> keypoints = {};  // in the image's pixels, within it; none where the model gives none
};

}  // namespace yolov5_dnn
