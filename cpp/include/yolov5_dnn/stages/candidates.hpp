// SPDX-License-Identifier: Apache-2.0
// What decode finds and NMS chooses from.

#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <opencv2/core.hpp>

#include "../errors.hpp"

namespace yolov5_dnn {

// Boxes of one image that may be objects, in columns of equal length. Whoever adds a column adds it to each function
// here, and it travels with the boxes.
struct Candidates {
    std::vector<cv::Vec4f> xyxy;  // x1 y1 x2 y2 in pixels of the network's input
    std::vector<float> scores;    // objectness × class probability, 0 to 1
    std::vector<int> class_ids;
    std::vector<float> extra;  // `extra_width` values of each, one candidate after the other: what its task adds
    std::size_t extra_width = 0;

    std::size_t size() const { return scores.size(); }

    void resize(std::size_t count) {
        xyxy.resize(count);
        scores.resize(count);
        class_ids.resize(count);
        extra.resize(count * extra_width);
    }

    // Writes the candidates with these indices, in their order, to `chosen`, which is not this object itself.
    void select(const std::vector<int>& indices, Candidates& chosen) const {
        chosen.extra_width = extra_width;
        chosen.resize(indices.size());
        for (std::size_t k = 0; k < indices.size(); ++k) {
            const auto i = static_cast<std::size_t>(indices[k]);
            chosen.xyxy[k] = xyxy[i];
            chosen.scores[k] = scores[i];
            chosen.class_ids[k] = class_ids[i];
            for (std::size_t e = 0; e < extra_width; ++e)
                chosen.extra[k * extra_width + e] = extra[i * extra_width + e];
        }
    }

    // Adds others behind these. Throws InputError if they have more or fewer extra values.
    void append(const Candidates& others) {
        if (size() == 0) extra_width = others.extra_width;
        if (others.size() > 0 && others.extra_width != extra_width)
            throw InputError("candidates with " + std::to_string(extra_width) + " and with " +
                             std::to_string(others.extra_width) + " extra values cannot be joined");
        xyxy.insert(xyxy.end(), others.xyxy.begin(), others.xyxy.end());
        scores.insert(scores.end(), others.scores.begin(), others.scores.end());
        class_ids.insert(class_ids.end(), others.class_ids.begin(), others.class_ids.end());
        extra.insert(extra.end(), others.extra.begin(), others.extra.end());
    }
};

}  // namespace yolov5_dnn
