// SPDX-License-Identifier: Apache-2.0
// From the output of a network that decodes its boxes itself, as other exporters write them, to candidates.

#pragma once

#include <algorithm>
#include <cmath>

#include <opencv2/core.hpp>

#include "../stages/candidates.hpp"
#include "../stages/decode.hpp"
#include "../errors.hpp"

namespace yolov5_dnn {

// Chooses the boxes that score above `conf_thres`, in the order of the output, and writes them to `found`. With
// `objectness` a box is a row of the output, a head of one column: centre x, centre y, width and height in pixels of the
// network's input, objectness and classes as probabilities. Without, it is a column, and has no objectness. A box is given
// its best class, or with `multi_label` every class that scores high enough.
// Throws ModelError if a score or a chosen box is not a number.
inline void decode_decoded(const Head& head, bool objectness, double conf_thres, bool multi_label, Candidates& found) {
    // Boxes in rows: what belongs to one lies side by side.
    cv::Mat output(head.channels, head.nx, CV_32F, const_cast<float*>(head.data));
    if (!objectness) output = output.t();
    const int first = objectness ? 5 : 4;
    const auto threshold = static_cast<float>(conf_thres);
    found.extra_width = 0;
    found.resize(0);
    for (int i = 0; i < output.rows; ++i) {
        const float* const row = output.ptr<float>(i);
        const float share = objectness ? row[4] : 1.0F;
        if (share <= threshold) continue;
        const auto add = [&](int class_id) {
            const float score = row[first + class_id] * share;
            if (!(score > threshold)) return;
            const float half_w = row[2] / 2, half_h = row[3] / 2;
            found.xyxy.emplace_back(row[0] - half_w, row[1] - half_h, row[0] + half_w, row[1] + half_h);
            found.scores.push_back(score);
            found.class_ids.push_back(class_id);
        };
        const float *const classes = row + first, *const end = row + output.cols;
        if (std::any_of(classes, end, [share](float each) { return std::isnan(each * share); }))
            throw ModelError(detail::not_finite);
        if (!multi_label) add(static_cast<int>(std::max_element(classes, end) - classes));
        for (int k = 0; multi_label && k < end - classes; ++k) add(k);
    }
}

}  // namespace yolov5_dnn
