// SPDX-License-Identifier: Apache-2.0
// From the raw head maps of an anchor-free network (yolov5u, YOLOv8) to candidate boxes. With the cell (column, row) of
// a head of stride s, and for each side the distance d = Σ k · softmax(bins)_k:
//
//     x1 = (column + 0.5 − d_left) · s    y1 = (row + 0.5 − d_top) · s
//     x2 = (column + 0.5 + d_right) · s   y2 = (row + 0.5 + d_bottom) · s
//     score = σ(t_class)
//
// Distribution focal loss, https://arxiv.org/abs/2006.04388 (section 3.2): bin k stands for the distance k.

#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include <opencv2/core.hpp>

#include "candidates.hpp"
#include "decode.hpp"
#include "../errors.hpp"

namespace yolov5_dnn {

// The box of one candidate, x1 y1 x2 y2 in pixels of the network's input. `bins` are the logits of the left, top, right
// and bottom distance, `reg_max` each; one lies `plane` floats behind the other.
inline cv::Vec4f decode_distances(const float* bins, std::ptrdiff_t plane, int reg_max, cv::Point2f cell,
                                  float stride) {
    std::array<float, 4> distances{};
    for (float& distance : distances) {
        float most = bins[0];
        for (int k = 1; k < reg_max; ++k) most = std::max(most, bins[k * plane]);
        float weights = 0, weighted = 0;
        for (int k = 0; k < reg_max; ++k) {
            const float weight = std::exp(bins[k * plane] - most);
            weights += weight;
            weighted += weight * static_cast<float>(k);
        }
        distance = weighted / weights;
        bins += reg_max * plane;
    }
    const float x = cell.x + 0.5F, y = cell.y + 0.5F;
    return {(x - distances[0]) * stride, (y - distances[1]) * stride, (x + distances[2]) * stride,
            (y + distances[3]) * stride};
}

// Finds the candidates of one image whose score is above `conf_thres`, in the order head, row, column, class. A head
// has 4 · reg_max channels for the distances, then the classes; `strides` go by head. A candidate is given its best
// class (the first of equals), or with `multi_label` every class that is above. There is nothing extra.
// Throws ModelError if a head has no classes, or a class logit is not a number, as when 16-bit arithmetic overflowed.
inline void decode_anchor_free(const std::vector<Head>& heads, const std::vector<int>& strides, int reg_max,
                               double conf_thres, bool multi_label, Candidates& found) {
    if (heads.size() != strides.size())
        throw ModelError("the network has " + std::to_string(heads.size()) + " heads, but there are strides for " +
                         std::to_string(strides.size()));
    // A little lower, so that no score is lost to rounding.
    const float threshold =
        std::nextafter(static_cast<float>(logit(conf_thres)), -std::numeric_limits<float>::infinity());
    const auto score_thres = static_cast<float>(conf_thres);
    found.extra_width = 0;
    found.resize(0);

    for (std::size_t i = 0; i < heads.size(); ++i) {
        const Head& head = heads[i];
        const int first = 4 * reg_max;
        if (reg_max < 1 || head.channels <= first) throw ModelError("a head without classes finds nothing");
        const auto plane = static_cast<std::ptrdiff_t>(head.ny) * head.nx;
        const auto visit = [&](std::ptrdiff_t cell) {
            const float* const t = head.data + cell;
            cv::Vec4f box;  // decoded once, if at all
            bool decoded = false;
            const auto keep = [&](int channel) {
                const float score = sigmoid(t[channel * plane]);
                if (!(score > score_thres)) return;
                const cv::Point2f place(static_cast<float>(cell % head.nx), static_cast<float>(cell / head.nx));
                if (!decoded) box = decode_distances(t, plane, reg_max, place, static_cast<float>(strides[i]));
                decoded = true;
                found.xyxy.push_back(box);
                found.scores.push_back(score);
                found.class_ids.push_back(channel - first);
            };
            if (multi_label) {
                for (int k = first; k < head.channels; ++k)
                    if (t[k * plane] > threshold) keep(k);
            } else {
                int best = first;
                for (int k = best + 1; k < head.channels; ++k)
                    if (t[k * plane] > t[best * plane]) best = k;
                keep(best);
            }
        };
        // Plane by plane, as the numbers lie, for some cells at a time.
        std::array<float, 128> best{};
        const auto block = static_cast<std::ptrdiff_t>(best.size());
        for (std::ptrdiff_t start = 0; start < plane; start += block) {
            const std::ptrdiff_t count = std::min(block, plane - start);
            best.fill(-std::numeric_limits<float>::infinity());
            bool numbers = true;
            for (int k = first; k < head.channels; ++k) {
                const float* const logits = head.data + k * plane + start;
                for (std::ptrdiff_t j = 0; j < count; ++j) {
                    float& most = best[static_cast<std::size_t>(j)];
                    numbers &= logits[j] == logits[j];
                    most = std::max(most, logits[j]);
                }
            }
            if (!numbers) throw ModelError(detail::not_finite);
            for (std::ptrdiff_t j = 0; j < count; ++j)
                if (best[static_cast<std::size_t>(j)] > threshold) visit(start + j);
        }
    }
}

}  // namespace yolov5_dnn
