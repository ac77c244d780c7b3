// SPDX-License-Identifier: Apache-2.0
// From the output of a network that decodes its boxes itself, as other exporters write them, to candidates.

#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string>

#include <opencv2/core.hpp>

#include "../stages/candidates.hpp"
#include "../stages/decode.hpp"
#include "../errors.hpp"
#include "../program.hpp"

namespace yolov5_dnn {

namespace detail {

// Throws ModelError if a score is no probability; 16 bits, and rounding, leave a little above 1.
inline void check_score(float score, int columns, bool rows) {
    constexpr float most = 1.01F;
    if (std::isnan(score)) throw ModelError(not_finite);
    if (score <= most && score >= 1 - most) return;
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.4g", static_cast<double>(score));
    throw ModelError(
        std::string("the network gives a score of ") + text.data() + ", and a probability is at most 1: its " +
        std::to_string(columns) + " columns are not boxes and classes" +
        (columns == 16 && rows ? "; 16 are those of yolov5-face, with 5 points" : "") + "; " + how_to_convert);
}

// Throws ModelError if the boxes, whose largest centre or corner this is, are not in pixels.
inline void check_places(float largest) {
    if (largest <= 2)
        throw ModelError(
            std::string("the network gives boxes in shares of the picture, from 0 to 1, and not in pixels, "
                        "as exports for TensorFlow do; ") +
            how_to_convert);
}

}  // namespace detail

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
        for (const float* each = classes; each != end; ++each)
            detail::check_score(*each * share, output.cols, objectness);
        if (!multi_label) add(static_cast<int>(std::max_element(classes, end) - classes));
        for (int k = 0; multi_label && k < end - classes; ++k) add(k);
    }
    if (found.size() == 0) return;
    float largest = 0;
    for (int i = 0; i < output.rows; ++i) largest = std::max({largest, output.at<float>(i, 0), output.at<float>(i, 1)});
    detail::check_places(largest);
}

// The same of what NMS leaves, or of a network that needs none: a box is a row of its corners, its score and its class.
// Throws ModelError if a number is not one, or a class is none of those that there are.
inline void decode_final(const Head& head, int classes, double conf_thres, Candidates& found) {
    found.extra_width = 0;
    found.resize(0);
    float largest = 0;
    for (int i = 0; i < head.channels; ++i) {
        const float* const row = head.data + std::ptrdiff_t{6} * i;
        if (row[4] <= static_cast<float>(conf_thres)) continue;
        detail::check_score(row[4], 6, false);
        if (!(row[5] >= 0 && row[5] < static_cast<float>(classes)) || std::floor(row[5]) != row[5])
            throw ModelError("the network gives a class that is none of the " + std::to_string(classes) + " it has");
        for (int k = 0; k < 4; ++k) largest = std::max(largest, row[k]);
        found.xyxy.emplace_back(row[0], row[1], row[2], row[3]);
        found.scores.push_back(row[4]);
        found.class_ids.push_back(static_cast<int>(row[5]));
    }
    if (found.size() > 0) detail::check_places(largest);
}

}  // namespace yolov5_dnn
