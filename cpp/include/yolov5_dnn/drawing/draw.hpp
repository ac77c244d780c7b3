// SPDX-License-Identifier: Apache-2.0
// Drawing what was found on a picture.

#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <locale>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "../results/classification.hpp"
#include "../results/detections.hpp"
#include "labels.hpp"
#include "../stages/letterbox.hpp"
#include "../stages/masks.hpp"
#include "text.hpp"
#include "../escape.hpp"

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

constexpr double mask_opacity = 0.4;

// Five points, as yolov5-face orders them: eyes, nose, corners of the mouth. Left is blue, right orange.
inline const std::array<cv::Scalar, 5>& five_points() {
    static const cv::Scalar left(255, 176, 0), right(0, 110, 255), middle(255, 255, 255);
    static const std::array<cv::Scalar, 5> all = {left, right, middle, left, right};
    return all;
}

// What is drawn, and how.
struct DrawOptions {
    int line_thickness = 0;    // of the boxes, in pixels; 0: `line_width` of the image
    bool hide_labels = false;  // draw no labels
    bool hide_conf = false;    // write no scores on them
};

namespace detail {

constexpr std::size_t most_letters = 100;  // of a label: measuring and drawing thousands would take seconds

// A text that fits into the image, and how large it is.
struct Label {
    std::string text;
    Extent extent;
    int size = 0;  // of its letters
    int pad = 0;   // left and right of it

    cv::Size area() const { return {extent.width + 2 * pad, extent.ascent + extent.descent + pad}; }
};

// Makes a text small enough, and if need be short enough, for the image.
inline Label fit(const std::string& text, cv::Size image) {
    Label label;
    label.text = printable(text);
    label.size = text_size(image);
    label.pad = std::max(2, label.size / 5);
    const auto measured = [&label] {
        label.extent = measure(label.text, label.size);
        return label.extent.width + 2 * label.pad;
    };
    int width = measured();
    while (label.size > 8 && width > image.width) {
        --label.size;
        width = measured();
    }
    while (!label.text.empty() && width > image.width) {
        while ((static_cast<unsigned char>(label.text.back()) & 0xC0) == 0x80) label.text.pop_back();
        label.text.pop_back();  // down to the first byte of a letter
        width = measured();
    }
    return label;
}

// Draws a text on its colour, with the upper left corner there.
inline void draw_label(cv::Mat& canvas, const Label& label, cv::Point corner, const cv::Scalar& colour) {
    cv::rectangle(canvas, cv::Rect(corner, label.area()), colour, cv::FILLED);
    put_text(canvas, label.text, {corner.x + label.pad, corner.y + label.pad / 2 + label.extent.ascent}, label.size,
             text_colour(colour));
}

// Draws filled labels, the first ones where they like best.
inline void draw_labels(cv::Mat& canvas, const std::vector<std::string>& texts, const std::vector<cv::Vec4i>& boxes,
                        const std::vector<cv::Scalar>& colours, int line) {
    std::vector<Label> labels;
    std::vector<cv::Size> sizes;
    std::vector<cv::Vec4i> edges;
    const int half = line / 2;  // of a line lies outside its box
    for (std::size_t i = 0; i < texts.size(); ++i) {
        labels.push_back(fit(texts[i], canvas.size()));
        sizes.push_back(labels.back().area());
        edges.push_back(boxes[i] + cv::Vec4i(-half, -half, half + 1, half + 1));
    }
    const std::vector<std::optional<cv::Point>> corners = place_labels(edges, sizes, canvas.size());
    for (std::size_t i = 0; i < labels.size(); ++i)
        if (corners[i] && !labels[i].text.empty()) draw_label(canvas, labels[i], *corners[i], colours[i]);
}

// Tints the pixels of a mask and draws its contour.
inline void draw_mask(cv::Mat& canvas, const Mask& mask, const cv::Scalar& colour, int line) {
    const Bitmap window = mask.window();
    if (window.pixels.empty() || cv::countNonZero(window.pixels) == 0) return;
    cv::Mat part = canvas(cv::Rect(window.corner, window.pixels.size())), tinted;
    cv::addWeighted(part, 1 - mask_opacity, cv::Mat(part.size(), part.type(), colour), mask_opacity, 0, tinted);
    tinted.copyTo(part, window.pixels);
    std::vector<std::vector<cv::Point>> contours;
    cv::findContours(window.pixels, contours, cv::RETR_CCOMP, cv::CHAIN_APPROX_NONE, window.corner);
    cv::drawContours(canvas, contours, -1, text_colour(colour), line + 2);
    cv::drawContours(canvas, contours, -1, colour, line);
}

// Draws a disc for each point: five in the colours of left, right and middle, others in the class's.
inline void draw_keypoints(cv::Mat& canvas, const std::vector<cv::Point2f>& points, const cv::Scalar& colour,
                           int line) {
    for (std::size_t k = 0; k < points.size(); ++k) {
        const cv::Scalar shade = points.size() == 5 ? five_points()[k] : colour;
        const cv::Point centre(round(points[k].x), round(points[k].y));
        cv::circle(canvas, centre, line + 2, text_colour(shade), cv::FILLED, cv::LINE_AA);
        cv::circle(canvas, centre, line, shade, cv::FILLED, cv::LINE_AA);
    }
}

// The corners x1 y1 x2 y2 of a box in whole pixels, kept within what OpenCV can draw.
inline cv::Vec4i rounded(const cv::Rect2f& box) {
    const auto whole = [](float edge) {
        constexpr float most = 1 << 15;
        return round(std::min(std::max(edge, -most), most));
    };
    return {whole(box.x), whole(box.y), whole(box.br().x), whole(box.br().y)};
}

// What a label says: "person 0.91".
inline std::string label_text(const std::string& name, float share) {
    std::ostringstream text;
    text.imbue(std::locale::classic());
    text.precision(2);
    text << name << ' ' << std::fixed << share;
    return text.str();
}

// Shows the first three channels, or the first, of an image that has not 1, 3 or 4.
inline cv::Mat as_picture(const cv::Mat& image, std::array<cv::Mat, 2>& buffers) {
    const int channels = image.channels();
    if (image.empty() || image.dims != 2 || channels == 1 || channels == 3 || channels == 4)
        return to_bgr(image, buffers);
    cv::Mat shown(image.size(), CV_MAKETYPE(image.depth(), channels > 4 ? 3 : 1));
    const std::array<int, 6> pairs = {0, 0, 1, 1, 2, 2};
    cv::mixChannels(&image, 1, &shown, 1, pairs.data(), static_cast<std::size_t>(shown.channels()));
    return to_bgr(shown, buffers);
}

}  // namespace detail

// Draws masks, boxes, keypoints and labels (name and score) on a copy of an image: 8 or 16 bits, grey, BGR or BGRA. The
// first detections, which should be the best, are drawn last, over the others. Boxes, contours and points have a rim in
// black or white, so that they stand off any background. Labels go where `place_labels` finds room; they are made
// smaller, and at last cut, to fit into the image, and where there is no room left, the box alone tells the class, by
// its colour. OpenCV 4 has letters for ASCII only.
// Returns 8 bits, BGR.
inline cv::Mat draw(const cv::Mat& image, const std::vector<Detection>& detections,
                    const std::vector<std::string>& names, const DrawOptions& options = {}) {
    std::array<cv::Mat, 2> buffers;
    cv::Mat canvas = detail::as_picture(image, buffers);
    if (canvas.data == image.data) canvas = canvas.clone();
    const int line = options.line_thickness > 0 ? options.line_thickness : line_width(canvas.size());

    std::vector<cv::Vec4i> boxes;
    std::vector<cv::Scalar> colours;
    std::vector<std::string> texts;
    for (const Detection& found : detections) {
        const std::string name = escape(names.at(static_cast<std::size_t>(found.class_id)), detail::most_letters);
        boxes.push_back(detail::rounded(found.box));
        colours.push_back(class_colour(found.class_id));
        texts.push_back(options.hide_conf ? name : detail::label_text(name, found.score));
    }
    // The worst first.
    for (std::size_t i = boxes.size(); i-- > 0;)
        if (!detections[i].mask.empty())
            detail::draw_mask(canvas, detections[i].mask, colours[i], std::max(1, line / 2));
    for (std::size_t i = boxes.size(); i-- > 0;) {
        const cv::Point corner(boxes[i][0], boxes[i][1]), opposite(boxes[i][2], boxes[i][3]);
        cv::rectangle(canvas, corner, opposite, text_colour(colours[i]), line + 2);
        cv::rectangle(canvas, corner, opposite, colours[i], line);
    }
    for (std::size_t i = boxes.size(); i-- > 0;)
        detail::draw_keypoints(canvas, detections[i].keypoints, colours[i], line);
    // After all else, so that no line crosses a label.
    if (!options.hide_labels) detail::draw_labels(canvas, texts, boxes, colours, line);
    return canvas;
}

// Writes classes and how probable they are, one below the other, into the upper left corner of a copy of an image, the
// most probable first; those for which there is no room are left out. Returns 8 bits, BGR.
inline cv::Mat draw_classes(const cv::Mat& image, const std::vector<Guess>& guesses,
                            const std::vector<std::string>& names) {
    std::array<cv::Mat, 2> buffers;
    cv::Mat canvas = detail::as_picture(image, buffers);
    if (canvas.data == image.data) canvas = canvas.clone();
    int top = 0;
    for (const Guess& guess : guesses) {
        const std::string& name = names.at(static_cast<std::size_t>(guess.class_id));
        const std::string text = escape(detail::label_text(name, guess.probability), detail::most_letters);
        const detail::Label label = detail::fit(text, canvas.size());
        const int height = label.area().height;
        if (top + height > canvas.rows) break;
        detail::draw_label(canvas, label, {0, top}, class_colour(guess.class_id));
        top += height;
    }
    return canvas;
}

}  // namespace yolov5_dnn
