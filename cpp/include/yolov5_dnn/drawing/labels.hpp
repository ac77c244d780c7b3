// SPDX-License-Identifier: Apache-2.0
// Where the labels of boxes go, so that no label covers another one and each hides as little as it can. Labels are
// placed one after the other, best detection first, in whole pixels and whole numbers: Python comes to the same places.

#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include <opencv2/core.hpp>

namespace yolov5_dnn {

namespace detail {

// A rectangle of whole pixels, right and bottom edge not included.
struct Edges {
    std::int64_t x1, y1, x2, y2;
};

constexpr std::int64_t whole_box = 50;  // parts of a box that are told apart: hiding less than one counts nothing

// The area in which two rectangles meet.
inline std::int64_t intersection(const Edges& a, const Edges& b) {
    const std::int64_t width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
    const std::int64_t height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
    return std::max<std::int64_t>(width, 0) * std::max<std::int64_t>(height, 0);
}

// The places that a label may have, in the order of preference.
inline std::array<Edges, 16> label_places(const Edges& box, cv::Size label, cv::Size image) {
    const auto inside = [](std::int64_t value, int room) {
        return std::min<std::int64_t>(std::max<std::int64_t>(value, 0), std::max(room, 0));
    };
    const std::int64_t width = label.width, height = label.height;
    std::array<std::int64_t, 3> lefts = {box.x1, box.x2 - width, (box.x1 + box.x2 - width) / 2};
    for (std::int64_t& left : lefts) left = inside(left, image.width - label.width);
    const int room = image.height - label.height;
    const std::array<std::int64_t, 4> tops = {box.y1 - height, box.y2, inside(box.y1, room),
                                              inside(box.y2 - height, room)};
    std::array<Edges, 16> places{};
    std::size_t count = 0;
    const auto add = [&](std::int64_t left, std::int64_t top) {
        places[count++] = {left, top, left + width, top + height};
    };
    for (const std::int64_t top : tops) add(lefts[0], top);
    for (const std::int64_t top : tops)
        for (const std::size_t side : {1U, 2U}) add(lefts[side], top);
    for (const std::int64_t top : {box.y1, box.y2 - height})
        for (const std::int64_t left : {box.x2, box.x1 - width}) add(left, top);
    return places;
}

}  // namespace detail

// Finds a place for the label of each box. `boxes` are x1 y1 x2 y2 in whole pixels, in the order in which labels
// choose; `sizes` those of each one's label. A label is tried above its box, below it, within its upper and its lower
// edge, at the box's left, its right and its middle, and beside it, moved into the image where its box reaches out of
// it. Of the places that lie in the image and meet no label placed before, it takes the one that hides least of all
// boxes, counted in shares of each box; of equals, the first.
// Gives the upper left corner of each label, or nothing where every place is taken.
inline std::vector<std::optional<cv::Point>> place_labels(const std::vector<cv::Vec4i>& boxes,
                                                          const std::vector<cv::Size>& sizes, cv::Size image) {
    std::vector<detail::Edges> edges, taken;
    for (const cv::Vec4i& box : boxes) edges.push_back({box[0], box[1], box[2], box[3]});
    std::vector<std::optional<cv::Point>> corners;
    for (std::size_t i = 0; i < edges.size(); ++i) {
        std::int64_t least = std::numeric_limits<std::int64_t>::max();
        detail::Edges best{};
        for (const detail::Edges& place : detail::label_places(edges[i], sizes.at(i), image)) {
            if (place.x1 < 0 || place.y1 < 0 || place.x2 > image.width || place.y2 > image.height) continue;
            const auto meets = [&](const detail::Edges& label) { return detail::intersection(place, label) > 0; };
            if (std::any_of(taken.begin(), taken.end(), meets)) continue;
            std::int64_t hidden = 0;
            for (const detail::Edges& box : edges) {
                const std::int64_t area = std::max<std::int64_t>((box.x2 - box.x1) * (box.y2 - box.y1), 1);
                hidden += detail::intersection(place, box) * detail::whole_box / area;
            }
            if (hidden >= least) continue;
            least = hidden;
            best = place;
        }
        corners.emplace_back();
        if (least == std::numeric_limits<std::int64_t>::max()) continue;
        corners.back() = cv::Point(static_cast<int>(best.x1), static_cast<int>(best.y1));
        taken.push_back(best);
    }
    return corners;
}

}  // namespace yolov5_dnn
