// SPDX-License-Identifier: Apache-2.0
// Boxes and labels on pictures.

#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <locale>
#include <sstream>
#include <string>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "detections.hpp"
#include "letterbox.hpp"
#include "text.hpp"

namespace yolov5_dnn {

// Gives a class its colour, BGR. Hues step by the golden ratio, which spreads any number of classes evenly; three
// shades take turns, because hues come close to each other after 5, 8, 13, … steps. In HSV: hue =
// (0.57 + 0.618034 · id) mod 1; saturation, value = (0.85, 1), (0.6, 1), (0.9, 0.75) for id mod 3 = 0, 1, 2.
inline cv::Scalar class_colour(int class_id) {
    constexpr std::array<double, 3> saturations = {0.85, 0.6, 0.9}, values = {1.0, 1.0, 0.75};
    const auto shade = static_cast<std::size_t>(class_id % 3);
    const double saturation = saturations[shade], value = values[shade];
    const double hue = std::fmod(0.57 + 0.618034 * class_id, 1.0);
    // Each channel falls off with the hue's distance from its own: the usual HSV to RGB, by channel.
    const auto channel = [&](double offset) {
        const double k = std::fmod(offset + hue * 6, 6.0);
        return detail::round(255 * value * (1 - saturation * std::max(0.0, std::min({k, 4 - k, 1.0}))));
    };
    return cv::Scalar(channel(1), channel(3), channel(5));
}

// Black or white, whichever reads better: black on colours with more than half of white's luma (BT.601).
inline cv::Scalar text_colour(const cv::Scalar& background) {
    const double luma = 0.299 * background[2] + 0.587 * background[1] + 0.114 * background[0];
    return cv::Scalar::all(luma > 127.5 ? 0 : 255);
}

// Width of the boxes' lines in pixels: a 300th of the mean of height and width, at least 2.
inline int line_width(cv::Size image) { return std::max(2, detail::round((image.width + image.height) / 2.0 / 300)); }

// Height of the labels' letters in pixels: a 50th of the mean of height and width, at least 12.
inline int text_size(cv::Size image) { return std::max(12, detail::round((image.width + image.height) / 2.0 / 50)); }

namespace detail {

// Draws a filled label whose lower left corner is the box's upper left one, room permitting.
inline void draw_label(cv::Mat& canvas, std::string label, cv::Point corner, const cv::Scalar& colour, int line) {
    int size = text_size(canvas.size());
    const int pad = std::max(2, size / 5);
    Extent extent = measure(label, size);
    while (size > 8 && extent.width + 2 * pad > canvas.cols) extent = measure(label, --size);
    while (!label.empty() && extent.width + 2 * pad > canvas.cols) {
        while ((static_cast<unsigned char>(label.back()) & 0xC0) == 0x80) label.pop_back();  // to a letter's first byte
        label.pop_back();
        extent = measure(label, size);
    }
    const int width = extent.width + 2 * pad, height = extent.ascent + extent.descent + pad;
    if (label.empty() || height > canvas.rows) return;
    const int left = std::min(std::max(corner.x - line / 2, 0), canvas.cols - width);
    int top = corner.y - line / 2 - height;
    if (top < 0) top = std::min(std::max(corner.y, 0), canvas.rows - height);  // no room above the box
    cv::rectangle(canvas, cv::Rect(left, top, width, height), colour, cv::FILLED);
    put_text(canvas, label, {left + pad, top + pad / 2 + extent.ascent}, size, text_colour(colour));
}

}  // namespace detail

// Draws boxes and labels (name and score) on a copy of an image: 8 or 16 bits, grey, BGR or BGRA. A label sits on
// top of its box, or inside where there is no room, and never leaves the image: it is made smaller, and at last
// cut, to fit. The best detections are drawn last, over the others. OpenCV 4 has letters for ASCII only.
// Returns 8 bits, BGR.
inline cv::Mat draw(const cv::Mat& image, const std::vector<Detection>& detections,
                    const std::vector<std::string>& names) {
    std::array<cv::Mat, 2> buffers;
    cv::Mat canvas = to_bgr(image, buffers);
    if (canvas.data == image.data) canvas = canvas.clone();
    const int line = line_width(canvas.size());
    const auto rounded = [](cv::Point2f point) { return cv::Point(detail::round(point.x), detail::round(point.y)); };
    for (auto found = detections.rbegin(); found != detections.rend(); ++found)
        cv::rectangle(canvas, rounded(found->box.tl()), rounded(found->box.br()), class_colour(found->class_id), line);
    for (auto found = detections.rbegin(); found != detections.rend(); ++found) {  // so that no line crosses a label
        std::ostringstream label;
        label.imbue(std::locale::classic());
        label.precision(2);
        label << names.at(static_cast<std::size_t>(found->class_id)) << ' ' << std::fixed << found->score;
        detail::draw_label(canvas, detail::printable(label.str()), rounded(found->box.tl()),
                           class_colour(found->class_id), line);
    }
    return canvas;
}

}  // namespace yolov5_dnn
