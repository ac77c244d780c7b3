// SPDX-License-Identifier: Apache-2.0
// Non-maximum suppression: of boxes that overlap too much, keep the one with the highest score.

#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <opencv2/core.hpp>

#include "candidates.hpp"

namespace yolov5_dnn {

constexpr std::size_t max_nms = 30000;  // only so many of the best candidates are looked at, as in YOLOv5

// Intersection over union of two boxes x1 y1 x2 y2: intersection / (area + area − intersection). It is NaN if
// both are without area.
inline float iou(const cv::Vec4f& a, const cv::Vec4f& b) {
    const float width = std::max(std::min(a[2], b[2]) - std::max(a[0], b[0]), 0.0F);
    const float height = std::max(std::min(a[3], b[3]) - std::max(a[1], b[1]), 0.0F);
    const float intersection = width * height;
    const float area_a = (a[2] - a[0]) * (a[3] - a[1]);
    const float area_b = (b[2] - b[0]) * (b[3] - b[1]);
    return intersection / (area_a + area_b - intersection);
}

// Chooses boxes greedily by score; suppresses those whose IoU with a chosen one is above `iou_thres`. A box
// suppresses others of its own class only, or of all classes if `agnostic`. Equal scores are taken in the order
// given. The IoU of floats is compared with the threshold as a double, as torchvision does it. Writes the indices of
// the chosen ones to `kept`, best first, at most `max_det`.
inline void nms(const Candidates& candidates, double iou_thres, int max_det, bool agnostic, std::vector<int>& kept) {
    const std::vector<cv::Vec4f>& xyxy = candidates.xyxy;
    const std::vector<float>& scores = candidates.scores;
    const std::vector<int>& class_ids = candidates.class_ids;
    kept.resize(candidates.size());
    for (std::size_t i = 0; i < kept.size(); ++i) kept[i] = static_cast<int>(i);
    const auto better = [&scores](int a, int b) {
        const float score_a = scores[static_cast<std::size_t>(a)], score_b = scores[static_cast<std::size_t>(b)];
        return score_a > score_b || (score_a == score_b && a < b);
    };
    const auto considered = kept.begin() + static_cast<std::ptrdiff_t>(std::min(kept.size(), max_nms));
    if (considered != kept.end()) std::nth_element(kept.begin(), considered, kept.end(), better);
    std::sort(kept.begin(), considered, better);

    auto end = kept.begin();  // of the chosen ones, which gather at the front
    for (auto next = kept.begin(); next != considered && end - kept.begin() < max_det; ++next) {
        const auto i = static_cast<std::size_t>(*next);
        const bool suppressed = std::any_of(kept.begin(), end, [&](int chosen) {
            const auto j = static_cast<std::size_t>(chosen);
            return (agnostic || class_ids[j] == class_ids[i]) && static_cast<double>(iou(xyxy[j], xyxy[i])) > iou_thres;
        });
        if (!suppressed) *end++ = *next;
    }
    kept.erase(end, kept.end());
}

}  // namespace yolov5_dnn
