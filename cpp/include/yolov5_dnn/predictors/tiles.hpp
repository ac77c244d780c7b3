// SPDX-License-Identifier: Apache-2.0
// Small objects in large pictures: overlapping tiles at full resolution, the whole picture as well, and one answer from
// all of them.
//
// What a tile's edge cuts through is found in part. A neighbour holds it whole if it is no larger than the overlap, and
// the whole picture shows it if it is large; what is left are pieces of things in between, which are put together.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <opencv2/core.hpp>

#include "../stages/candidates.hpp"
#include "../results/detections.hpp"
#include "../errors.hpp"
#include "../stages/letterbox.hpp"
#include "../stages/masks.hpp"
#include "../stages/nms.hpp"

namespace yolov5_dnn {

constexpr int min_tile = 32;           // pixels
constexpr double tile_overlap = 0.25;  // of a tile's side that its neighbour shows, too, at least

// A part of an image, in pixels.
struct Window {
    int left = 0, top = 0, right = 0, bottom = 0;
};

namespace detail {

constexpr double cut_edge = 0.015;  // of a window's side: a box that comes so near to an edge of it is cut there
constexpr float same_share = 0.6F;  // of the smaller one's area, in what two windows see: two boxes show the same thing

// Where tiles start along an axis.
inline std::vector<int> tile_starts(int length, int side) {
    if (length <= side) return {0};
    const int gaps = static_cast<int>(std::ceil((length - side) / (side * (1 - tile_overlap))));
    std::vector<int> starts;
    for (int i = 0; i <= gaps; ++i) starts.push_back(round(static_cast<double>(i) * (length - side) / gaps));
    return starts;
}

// Brings what was found in a window to the image's pixels.
inline Detection moved(const Detection& found, const Window& window, cv::Size image) {
    Detection result = found;
    result.box += cv::Point2f(static_cast<float>(window.left), static_cast<float>(window.top));
    for (cv::Point2f& point : result.keypoints)
        point += cv::Point2f(static_cast<float>(window.left), static_cast<float>(window.top));
    if (found.mask.empty()) return result;
    result.mask = {found.mask.window(), {}, image};
    result.mask.bitmap.corner += cv::Point(window.left, window.top);
    return result;
}

// Whether a box, in its window's pixels, reaches an edge of it that is not the image's.
inline bool is_cut(const cv::Rect2f& box, const Window& window, cv::Size image) {
    const int width = window.right - window.left, height = window.bottom - window.top;
    const double margin = cut_edge * std::max(width, height);
    const cv::Point2f corner = box.br();
    return (window.left > 0 && box.x < static_cast<float>(margin)) ||
           (window.top > 0 && box.y < static_cast<float>(margin)) ||
           (window.right < image.width && corner.x > static_cast<float>(width - margin)) ||
           (window.bottom < image.height && corner.y > static_cast<float>(height - margin));
}

// What two boxes, x1 y1 x2 y2, have in common where both their windows see, as a share of the smaller one's area there.
inline float share_in_common(const cv::Vec4f& box, const Window& window, const cv::Vec4f& other, const Window& others) {
    const auto low_x = static_cast<float>(std::max(window.left, others.left));
    const auto low_y = static_cast<float>(std::max(window.top, others.top));
    const auto high_x = static_cast<float>(std::min(window.right, others.right));
    const auto high_y = static_cast<float>(std::min(window.bottom, others.bottom));
    const auto within = [&](const cv::Vec4f& each) {  // windows that see nothing in common leave no area
        const auto clip = [](float value, float low, float high) { return std::min(std::max(value, low), high); };
        return cv::Vec4f(clip(each[0], low_x, high_x), clip(each[1], low_y, high_y), clip(each[2], low_x, high_x),
                         clip(each[3], low_y, high_y));
    };
    const auto area = [](float width, float height) { return std::max(width, 0.0F) * std::max(height, 0.0F); };
    const cv::Vec4f a = within(box), b = within(other);
    const float common = area(std::min(a[2], b[2]) - std::max(a[0], b[0]), std::min(a[3], b[3]) - std::max(a[1], b[1]));
    const float smaller = std::min(area(a[2] - a[0], a[3] - a[1]), area(b[2] - b[0], b[3] - b[1]));
    return common / std::max(smaller, 1e-9F);
}

// Makes one mask of several of one image, whose bitmaps lie in its pixels.
inline Mask united(const std::vector<Mask>& masks) {
    cv::Rect reach;
    for (const Mask& mask : masks) reach |= cv::Rect(mask.bitmap.corner, mask.bitmap.pixels.size());
    Mask whole{{reach.tl(), cv::Mat::zeros(reach.size(), CV_8U)}, {}, masks.at(0).image};
    for (const Mask& mask : masks) {
        if (mask.bitmap.pixels.empty()) continue;
        cv::Mat part = whole.bitmap.pixels(cv::Rect(mask.bitmap.corner - reach.tl(), mask.bitmap.pixels.size()));
        part |= mask.bitmap.pixels;
    }
    return whole;
}

}  // namespace detail

// Lays tiles of `side` × `side` pixels, at least `min_tile`, over an image, evenly, as few as overlap by `tile_overlap`.
// Gives the whole image first, then the tiles row by row; for an image no larger than a tile, only itself.
inline std::vector<Window> tile_windows(cv::Size image, int side) {
    std::vector<Window> windows = {{0, 0, image.width, image.height}};
    if (std::max(image.width, image.height) <= side) return windows;
    for (const int top : detail::tile_starts(image.height, side))
        for (const int left : detail::tile_starts(image.width, side))
            windows.push_back({left, top, std::min(left + side, image.width), std::min(top + side, image.height)});
    return windows;
}

// Makes one answer of what was found in each window, each in its own window's pixels.
//
// Whole boxes compete as in `nms`. A piece, cut off by a tile's edge, that shows the same as a whole box of its class in
// what both their windows see, gives way to it; pieces that show the same become one box around all of them, with the
// best one's score. (With `agnostic`, of any class.) A mask becomes the union of its pieces; keypoints are those of the
// best piece.
//
// Gives detections in the image's pixels, best first, at most `max_det`. Throws InputError if there are not as many
// parts as windows.
inline std::vector<Detection> merge_windows(const std::vector<std::vector<Detection>>& parts,
                                            const std::vector<Window>& windows, cv::Size image, double iou_thres,
                                            int max_det, bool agnostic = false) {
    if (parts.size() != windows.size())
        throw InputError("there are " + std::to_string(parts.size()) + " parts of " + std::to_string(windows.size()) +
                         " windows");
    std::vector<Detection> joined;
    Candidates boxes;                // of the joined,
    std::vector<std::size_t> seen;   // and the window of each
    std::vector<int> whole, pieces;  // indices of the joined
    for (std::size_t w = 0; w < windows.size(); ++w) {
        for (const Detection& found : parts[w]) {
            const bool cut = detail::is_cut(found.box, windows[w], image);
            (cut ? pieces : whole).push_back(static_cast<int>(joined.size()));
            joined.push_back(detail::moved(found, windows[w], image));
            const cv::Rect2f& box = joined.back().box;
            boxes.xyxy.push_back({box.x, box.y, box.br().x, box.br().y});
            boxes.scores.push_back(found.score);
            boxes.class_ids.push_back(found.class_id);
            seen.push_back(w);
        }
    }

    struct Group {
        bool cut = false;                  // whether it is of pieces
        std::vector<std::size_t> members;  // indices of the joined, best first
    };
    std::vector<Group> groups;
    std::vector<std::pair<std::size_t, std::size_t>> grouped;  // indices of the joined, and of each one's group
    Candidates chosen;
    std::vector<int> kept;
    boxes.select(whole, chosen);
    nms(chosen, iou_thres, max_det, agnostic, kept);
    for (const int k : kept) {
        const auto i = static_cast<std::size_t>(whole[static_cast<std::size_t>(k)]);
        grouped.emplace_back(i, groups.size());
        groups.push_back({false, {i}});
    }
    std::stable_sort(pieces.begin(), pieces.end(), [&](int a, int b) {
        return boxes.scores[static_cast<std::size_t>(a)] > boxes.scores[static_cast<std::size_t>(b)];
    });
    for (const int piece : pieces) {
        const auto i = static_cast<std::size_t>(piece);
        float most = 0;
        std::size_t group = groups.size();
        for (const auto& [j, its_group] : grouped) {
            if (!agnostic && boxes.class_ids[j] != boxes.class_ids[i]) continue;
            const float share =
                detail::share_in_common(boxes.xyxy[i], windows[seen[i]], boxes.xyxy[j], windows[seen[j]]);
            if (share <= most) continue;
            most = share;
            group = its_group;
        }
        if (most <= detail::same_share) {
            group = groups.size();
            groups.push_back({true, {}});
        }
        if (!groups[group].cut) continue;
        groups[group].members.push_back(i);  // of one thing, whose other pieces this one may lead to
        grouped.emplace_back(i, group);
    }
    std::stable_sort(groups.begin(), groups.end(), [&](const Group& a, const Group& b) {
        return boxes.scores[a.members[0]] > boxes.scores[b.members[0]];
    });
    groups.resize(std::min(groups.size(), static_cast<std::size_t>(max_det)));

    std::vector<Detection> merged;
    for (const Group& group : groups) {
        merged.push_back(joined[group.members[0]]);
        if (group.members.size() == 1) continue;
        std::vector<Mask> masks;
        cv::Vec4f hull = boxes.xyxy[group.members[0]];
        for (const std::size_t i : group.members) {
            const cv::Vec4f& box = boxes.xyxy[i];
            hull = {std::min(hull[0], box[0]), std::min(hull[1], box[1]), std::max(hull[2], box[2]),
                    std::max(hull[3], box[3])};
            masks.push_back(joined[i].mask);
        }
        merged.back().box = {hull[0], hull[1], hull[2] - hull[0], hull[3] - hull[1]};
        if (!merged.back().mask.empty()) merged.back().mask = detail::united(masks);
    }
    return merged;
}

}  // namespace yolov5_dnn
