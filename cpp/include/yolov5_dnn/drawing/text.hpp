// SPDX-License-Identifier: Apache-2.0
// Measuring and drawing one line of text. OpenCV 4 has letters for ASCII only.

#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "../stages/letterbox.hpp"
#include "../unicode.hpp"

namespace yolov5_dnn {

namespace detail {

// How much room a line of text takes, in pixels: `ascent` above its baseline, `descent` below.
struct Extent {
    int width = 0;
    int ascent = 0;
    int descent = 0;
};

// Replaces what OpenCV cannot draw by question marks: control characters and broken UTF-8, and before OpenCV 5
// every letter that is not ASCII.
inline std::string printable(std::string_view text) {
    constexpr bool ascii_only = CV_VERSION_MAJOR < 5;
    std::string clean;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = character_length(text, at);
        const auto lead = static_cast<unsigned char>(text[at]);
        const bool drawable = length == 1 ? lead >= 0x20 && lead != 0x7F : length > 1 && !ascii_only;
        if (drawable) {
            clean.append(text.substr(at, length));
        } else {
            clean += '?';
        }
        at += std::max<std::size_t>(length, 1);
    }
    return clean;
}

#if CV_VERSION_MAJOR >= 5

inline cv::FontFace& font() {
    thread_local cv::FontFace face("sans");  // keeps drawn letters, without guarding them
    return face;
}

constexpr int font_weight = 500;  // a little bolder than regular

inline Extent measure(const std::string& text, int size) {
    const cv::Rect room = cv::getTextSize(cv::Size(), text, cv::Point(), font(), size, font_weight);
    // The box it gives is as high as the text's letters happen to be; labels should not differ by that.
    return {room.x + room.width, round(size * 0.8), round(size * 0.25)};
}

inline void put_text(cv::Mat& image, const std::string& text, cv::Point origin, int size, const cv::Scalar& colour) {
    // A wrap range wider than any label: by default, text that touches the right edge starts a new line.
    cv::putText(image, text, origin, colour, font(), size, font_weight, cv::PUT_TEXT_ALIGN_LEFT, cv::Range(0, 1 << 20));
}

#else

constexpr double hershey_height = 30;  // pixels from a capital's top to a descender's bottom at scale 1, about

inline int stroke(int size) { return std::max(1, round(size / 14.0)); }

inline Extent measure(const std::string& text, int size) {
    int baseline = 0;
    const cv::Size room =
        cv::getTextSize(text, cv::FONT_HERSHEY_SIMPLEX, size / hershey_height, stroke(size), &baseline);
    return {room.width, room.height, baseline};
}

inline void put_text(cv::Mat& image, const std::string& text, cv::Point origin, int size, const cv::Scalar& colour) {
    cv::putText(image, text, origin, cv::FONT_HERSHEY_SIMPLEX, size / hershey_height, colour, stroke(size),
                cv::LINE_AA);
}

#endif

}  // namespace detail

}  // namespace yolov5_dnn
