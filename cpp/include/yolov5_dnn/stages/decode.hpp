// SPDX-License-Identifier: Apache-2.0
// From the network's raw head maps to candidate boxes. With σ the logistic function, an anchor of w × h pixels
// and the cell (column, row) of a head of stride s:
//
//     centre = (2σ(t_xy) − 0.5 + cell) · s        size = (2σ(t_wh))² · anchor
//     score  = σ(t_objectness) · σ(t_class)
//
// https://docs.ultralytics.com/yolov5/tutorials/architecture_description/#44-eliminate-grid-sensitivity

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include <opencv2/core.hpp>

#include "candidates.hpp"
#include "../errors.hpp"

namespace yolov5_dnn {

using Anchors = std::vector<cv::Size2f>;  // of one head, in pixels of the network's input

// Which of the outputs of one anchor in one cell are class logits, and which its task's extra values. Outputs 0 to 4
// are always x, y, w, h and objectness.
struct Layout {
    cv::Range classes;
    cv::Range extra;
};

// The raw map of one head for one image: `channels` planes of ny × nx floats, anchor by anchor as `Layout` says. It
// looks at the data of somebody else.
struct Head {
    const float* data = nullptr;
    int channels = 0;
    int ny = 0;
    int nx = 0;
};

// 1 / (1 + e⁻ˣ); far outside ±88 it is exactly 0 or 1.
inline float sigmoid(float x) { return 1.0F / (1.0F + std::exp(-x)); }

// The inverse of `sigmoid`: ln(p / (1 − p)), from −∞ at 0 to +∞ at 1.
inline double logit(double probability) {
    if (probability <= 0) return -std::numeric_limits<double>::infinity();
    if (probability >= 1) return std::numeric_limits<double>::infinity();
    return std::log(probability / (1 - probability));
}

// Views the output `blob` of a network, float (N, channels, ny, nx), at one image of the batch.
// Throws ModelError if it has another form.
inline Head head_of(const cv::Mat& blob, int image = 0) {
    if (blob.dims < 3 || blob.dims > 4 || blob.type() != CV_32F || !blob.isContinuous() || image < 0 ||
        image >= blob.size[0])
        throw ModelError("a head must be a float map of shape (N, channels, ny, nx)");
    if (blob.dims == 3) return {blob.ptr<float>(image), blob.size[1], 1, blob.size[2]};
    return {blob.ptr<float>(image), blob.size[1], blob.size[2], blob.size[3]};
}

// The box of one candidate, x1 y1 x2 y2 in pixels of the network's input, from its four box logits t_x t_y t_w t_h,
// the column and row of its cell, its anchor and its head's stride. (Python's `decode_boxes` takes many at once.)
inline cv::Vec4f decode_boxes(const cv::Vec4f& logits, cv::Point2f cell, cv::Size2f anchor, float stride) {
    const float x = (2 * sigmoid(logits[0]) - 0.5F + cell.x) * stride;
    const float y = (2 * sigmoid(logits[1]) - 0.5F + cell.y) * stride;
    const float doubled_w = 2 * sigmoid(logits[2]), doubled_h = 2 * sigmoid(logits[3]);
    const float half_w = doubled_w * doubled_w * anchor.width / 2;
    const float half_h = doubled_h * doubled_h * anchor.height / 2;
    return {x - half_w, y - half_h, x + half_w, y + half_h};
}

// One anchor of one cell that is worth decoding.
struct Picked {
    const float* first;    // of its outputs, as a Layout names them
    std::ptrdiff_t plane;  // so many floats further lies the next one
    cv::Point2f cell;      // column and row
    cv::Size2f anchor;     // in pixels
    float stride;          // of its head

    float operator[](int k) const { return first[k * plane]; }
};

namespace detail {

// Calls visit(picked) for each anchor and cell of a head whose objectness logit is above a threshold. Only the
// objectness planes are read in full.
// Throws ModelError if the head doesn't have `size` channels for each anchor, or an objectness is not a number.
template <typename Visit>
void above(const Head& head, const Anchors& anchors, float stride, int size, float threshold, const Visit& visit) {
    if (anchors.empty() || head.channels != static_cast<int>(anchors.size()) * size)
        throw ModelError("a head of " + std::to_string(head.channels) + " channels does not fit " +
                         std::to_string(anchors.size()) + " anchors with " + std::to_string(size) + " channels each");
    const auto plane = static_cast<std::ptrdiff_t>(head.ny) * head.nx;
    for (std::size_t anchor = 0; anchor < anchors.size(); ++anchor) {
        const float* const planes = head.data + static_cast<std::ptrdiff_t>(anchor) * size * plane;
        const float* const objectness = planes + 4 * plane;
        for (std::ptrdiff_t i = 0; i < plane; ++i) {
            if (objectness[i] <= threshold) continue;
            if (std::isnan(objectness[i])) throw ModelError(not_finite);
            const cv::Point2f cell(static_cast<float>(i % head.nx), static_cast<float>(i / head.nx));
            visit(Picked{planes + i, plane, cell, anchors[anchor], stride});
        }
    }
}

// A class logit below which a score cannot be above `conf_thres`, so that most classes need no exponential to be ruled
// out. It is lower than needed by more than rounding could mend; above 10, σ is too flat to tell.
inline float likely(float objectness, double conf_thres) {
    const double needed = logit(conf_thres / static_cast<double>(objectness));
    return static_cast<float>(std::min(needed, 10.0) - 0.01);
}

}  // namespace detail

// Finds the candidates of one image whose score is above `conf_thres`, in the order head, anchor, row, column,
// class. `anchors` and `strides` go by head. A candidate counts if its objectness and its score both are above
// `conf_thres`; it is given its best class (the first of equals), or with `multi_label` every class that is above.
// decode_extra(picked, extra) writes its extra values, as many as the layout has.
// Throws ModelError if the heads don't fit the anchors or the layout, or an objectness is not a number, as when 16-bit
// arithmetic overflowed.
template <typename DecodeExtra>
void decode(const std::vector<Head>& heads, const std::vector<Anchors>& anchors, const std::vector<int>& strides,
            const Layout& layout, double conf_thres, bool multi_label, Candidates& found,
            const DecodeExtra& decode_extra) {
    if (heads.size() != anchors.size() || heads.size() != strides.size())
        throw ModelError("the network has " + std::to_string(heads.size()) + " heads, but there are anchors for " +
                         std::to_string(anchors.size()) + " and strides for " + std::to_string(strides.size()));
    if (layout.classes.start < 5 || layout.classes.empty()) throw ModelError("a head without classes finds nothing");
    const auto objectness_thres = static_cast<float>(logit(conf_thres));
    const auto score_thres = static_cast<float>(conf_thres);
    const int size = std::max(layout.classes.end, layout.extra.end);  // outputs of one anchor
    found.extra_width = static_cast<std::size_t>(layout.extra.size());
    found.resize(0);

    for (std::size_t i = 0; i < heads.size(); ++i) {
        const auto visit = [&](const Picked& t) {
            const float objectness = sigmoid(t[4]);
            cv::Vec4f box;  // decoded once, if at all
            bool decoded = false;
            const auto keep = [&](int output, float score) {
                if (!(score > score_thres)) return;
                if (!decoded) box = decode_boxes({t[0], t[1], t[2], t[3]}, t.cell, t.anchor, t.stride);
                decoded = true;
                found.xyxy.push_back(box);
                found.scores.push_back(score);
                found.class_ids.push_back(output - layout.classes.start);
                found.extra.resize(found.extra.size() + found.extra_width);
                if (found.extra_width) decode_extra(t, &found.extra[found.extra.size() - found.extra_width]);
            };
            if (multi_label) {
                const float least = detail::likely(objectness, conf_thres);
                for (int k = layout.classes.start; k < layout.classes.end; ++k)
                    if (!(t[k] < least)) keep(k, objectness * sigmoid(t[k]));
            } else {
                int best = layout.classes.start;
                for (int k = best + 1; k < layout.classes.end; ++k)
                    if (t[k] > t[best]) best = k;
                keep(best, objectness * sigmoid(t[best]));
            }
        };
        detail::above(heads[i], anchors[i], static_cast<float>(strides[i]), size, objectness_thres, visit);
    }
}

// The same; the extra values are the outputs as they come.
inline void decode(const std::vector<Head>& heads, const std::vector<Anchors>& anchors, const std::vector<int>& strides,
                   const Layout& layout, double conf_thres, bool multi_label, Candidates& found) {
    decode(heads, anchors, strides, layout, conf_thres, multi_label, found, [&](const Picked& picked, float* extra) {
        for (int k = layout.extra.start; k < layout.extra.end; ++k) *extra++ = picked[k];
    });
}

}  // namespace yolov5_dnn
