// SPDX-License-Identifier: Apache-2.0
// From an image of any size to the network's input, and back again for boxes. The arithmetic, rounding
// included, is YOLOv5's, so that boxes agree with PyTorch's:
// https://github.com/ultralytics/yolov5/blob/v7.0/utils/augmentations.py (letterbox) and
// https://github.com/ultralytics/yolov5/blob/v7.0/utils/general.py (scale_boxes).

#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "../errors.hpp"

namespace yolov5_dnn {

constexpr unsigned char grey = 114;  // of the padding, in every channel

// Where an image lies on its canvas: canvas = image · scale + pad, for x and y alike. The pads are not rounded
// to whole pixels, although the picture itself is: that is how YOLOv5 maps boxes back.
struct Placement {
    double scale = 1;
    double pad_x = 0;
    double pad_y = 0;
};

namespace detail {

// Makes 16 bits 8 by leaving out the low byte; gives an image of 8 bits back itself. Throws InputError for other ones.
inline cv::Mat to_bytes(const cv::Mat& image, cv::Mat& buffer) {
    if (image.depth() == CV_8U) return image;
    if (image.depth() != CV_16U)
        throw InputError("an image must hold 8 or 16 bits without sign, not " + cv::typeToString(image.depth()));
    buffer.create(image.rows, image.cols, CV_8UC(image.channels()));
    for (int y = 0; y < image.rows; ++y) {
        const auto* from = image.ptr<std::uint16_t>(y);
        std::transform(from, from + image.cols * image.channels(), buffer.ptr<unsigned char>(y),
                       [](std::uint16_t value) { return static_cast<unsigned char>(value >> 8); });
    }
    return buffer;
}

}  // namespace detail

// Brings an image into the one form that everything here works on: 8 bits, three channels, BGR.
// Takes 8 or 16 bits, grey, BGR or BGRA. Alpha is dropped and 16 bits become 8 by leaving out the low byte,
// both as cv::imread does it. Returns `image` itself if it has that form, else what it wrote to `buffers`.
// Throws InputError for anything else.
inline cv::Mat to_bgr(const cv::Mat& image, std::array<cv::Mat, 2>& buffers) {
    if (image.empty()) throw InputError("the image is empty");
    const int channels = image.channels();
    if (image.dims != 2 || (channels != 1 && channels != 3 && channels != 4))
        throw InputError("an image must have two dimensions and 1, 3 or 4 channels, not " + std::to_string(image.dims) +
                         " and " + std::to_string(channels));
    const cv::Mat bytes = detail::to_bytes(image, buffers[0]);
    if (channels == 3) return bytes;
    cv::cvtColor(bytes, buffers[1], channels == 1 ? cv::COLOR_GRAY2BGR : cv::COLOR_BGRA2BGR);
    return buffers[1];
}

// Brings an image into the form for a network that takes so many channels: 8 bits, `channels`. For 3 it is `to_bgr`, and
// for 1 its result as grey, by OpenCV's COLOR_BGR2GRAY. For any other number the image must have as many channels, of 8
// or 16 bits, which are taken in their order. `buffers` are as for `to_bgr`. Throws InputError for anything else.
inline cv::Mat to_channels(const cv::Mat& image, int channels, std::array<cv::Mat, 2>& buffers) {
    if (channels == 3) return to_bgr(image, buffers);
    if (channels == 1) {
        if (image.channels() == 1 && image.depth() == CV_8U && image.dims == 2 && !image.empty()) return image;
        const cv::Mat bgr = to_bgr(image, buffers);
        cv::Mat& out = buffers[bgr.data == buffers[0].data ? 1 : 0];  // the one that `bgr` does not lie in
        cv::cvtColor(bgr, out, cv::COLOR_BGR2GRAY);
        return out;
    }
    if (image.empty()) throw InputError("the image is empty");
    if (image.dims != 2) throw InputError("an image must have two dimensions, not " + std::to_string(image.dims));
    if (image.channels() != channels)
        throw InputError("the image has " + std::to_string(image.channels()) + " channels, and the model takes " +
                         std::to_string(channels));
    return detail::to_bytes(image, buffers[0]);
}

namespace detail {

// Rounds halves to the even neighbour, as Python does.
// To the nearest whole number, of halves the even one; within ±2^30, and 0 for what is not a number.
inline int round(double value) {
    constexpr double most = 1 << 30;
    return std::isnan(value) ? 0 : static_cast<int>(std::nearbyint(std::min(std::max(value, -most), most)));
}

inline int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

// Size of the scaled image itself, without padding: at least one pixel each way.
inline cv::Size resized_shape(cv::Size image, cv::Size imgsz) {
    const double scale =
        std::min(static_cast<double>(imgsz.height) / image.height, static_cast<double>(imgsz.width) / image.width);
    return {std::max(round(image.width * scale), 1), std::max(round(image.height * scale), 1)};
}

}  // namespace detail

// Size of the canvas for an image. With `multiple` 0 it is `imgsz`. Else each side is the smallest multiple of it (a
// network's size_multiple) that holds the image once it has been scaled to fit into `imgsz`.
inline cv::Size letterbox_shape(cv::Size image, cv::Size imgsz, int multiple = 0) {
    if (multiple == 0) return imgsz;
    const cv::Size resized = detail::resized_shape(image, imgsz);
    return {detail::round_up(resized.width, multiple), detail::round_up(resized.height, multiple)};
}

// Scales an image of 8 bits into `imgsz`, keeping its aspect ratio, and centres it on the grey `canvas`, which gets its
// channels and the size that `letterbox_shape` says.
inline Placement letterbox(const cv::Mat& image, cv::Size imgsz, int multiple, cv::Mat& canvas) {
    const cv::Size size = letterbox_shape(image.size(), imgsz, multiple);
    const cv::Size inner = detail::resized_shape(image.size(), imgsz);
    const int channels = image.channels();
    canvas.create(size, CV_8UC(channels));

    const int top = detail::round((size.height - inner.height) / 2.0 - 0.1);
    const int left = detail::round((size.width - inner.width) / 2.0 - 0.1);
    const int bottom = top + inner.height, right = left + inner.width;
    const auto pad = [&canvas, channels](cv::Range rows, cv::Range columns) {
        for (int y = rows.start; y < rows.end; ++y) {
            unsigned char* const row = canvas.ptr<unsigned char>(y);
            std::fill(row + channels * columns.start, row + channels * columns.end, grey);
        }
    };
    pad({0, top}, {0, size.width});
    pad({bottom, size.height}, {0, size.width});
    pad({top, bottom}, {0, left});
    pad({top, bottom}, {right, size.width});
    cv::Mat inside = canvas(cv::Range(top, bottom), cv::Range(left, right));
    if (image.total() == 1) {  // OpenCV 4.5.4 fails to resize a single pixel
        cv::repeat(image, inner.height, inner.width, inside);
    } else if (inner == image.size()) {
        image.copyTo(inside);
    } else if (channels == 3) {
        cv::resize(image, inside, inner, 0, 0, cv::INTER_LINEAR);
    } else {  // plane by plane, as Python does it
        cv::Mat plane, resized;
        for (int c = 0; c < channels; ++c) {
            cv::extractChannel(image, plane, c);
            cv::resize(plane, resized, inner, 0, 0, cv::INTER_LINEAR);
            cv::insertChannel(resized, inside, c);
        }
    }

    // YOLOv5 takes the scale for the way back from the canvas, not from the resize. They differ when rounding
    // brought the shorter side down to a multiple.
    const double scale =
        std::min(static_cast<double>(size.height) / image.rows, static_cast<double>(size.width) / image.cols);
    return {scale, (size.width - image.cols * scale) / 2, (size.height - image.rows * scale) / 2};
}

// Moves a box, x1 y1 x2 y2, from canvas pixels to image pixels and clips it to the image.
inline cv::Vec4f unletterbox(const cv::Vec4f& xyxy, const Placement& placement, cv::Size image) {
    const auto scale = static_cast<float>(placement.scale);
    const auto pad_x = static_cast<float>(placement.pad_x), pad_y = static_cast<float>(placement.pad_y);
    const auto width = static_cast<float>(image.width), height = static_cast<float>(image.height);
    const auto clip = [](float value, float most) { return std::min(std::max(value, 0.0F), most); };
    return {clip((xyxy[0] - pad_x) / scale, width), clip((xyxy[1] - pad_y) / scale, height),
            clip((xyxy[2] - pad_x) / scale, width), clip((xyxy[3] - pad_y) / scale, height)};
}

// Turns a BGR canvas, 8 bits (H, W), into the network's input: float (1, 3, H, W), RGB, 0 to 1. With fold f it is
// (1, 3f², H/f, W/f): each square of f × f pixels becomes one, the pixel in its column dx and row dy the channels
// 3(f · dx + dy) to 3(f · dx + dy) + 2. That is the order of YOLOv5's Focus layer. f must divide H and W.
// A canvas of another number of channels c becomes (1, c, H, W) in the order of its channels; it is never folded.
inline void to_blob(const cv::Mat& canvas, int fold, cv::Mat& blob) {
    // What /255 makes of each byte. Looking it up is exact and costs one pass over the pixels.
    static const std::array<float, 256> unit = [] {
        std::array<float, 256> table{};
        for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<float>(i) / 255.0F;
        return table;
    }();
    const int channels = canvas.channels();
    const std::array<int, 4> shape = {1, channels * fold * fold, canvas.rows / fold, canvas.cols / fold};
    blob.create(4, shape.data(), CV_32F);
    const auto plane = static_cast<std::ptrdiff_t>(shape[2]) * shape[3];
    if (channels != 3) {
        for (int c = 0; c < channels; ++c) {
            for (int y = 0; y < canvas.rows; ++y) {
                const unsigned char* pixel = canvas.ptr<unsigned char>(y) + c;
                float* const row = blob.ptr<float>(0, c, y);
                for (int x = 0; x < canvas.cols; ++x, pixel += channels) row[x] = unit[*pixel];
            }
        }
        return;
    }
    for (int y = 0; y < canvas.rows; ++y) {
        for (int dx = 0; dx < fold; ++dx) {
            const unsigned char* bgr = canvas.ptr<unsigned char>(y, dx);
            float* red = blob.ptr<float>(0, 3 * (fold * dx + y % fold), y / fold);
            for (int x = 0; x < shape[3]; ++x, ++red, bgr += 3 * fold) {
                red[0] = unit[bgr[2]];
                red[plane] = unit[bgr[1]];
                red[2 * plane] = unit[bgr[0]];
            }
        }
    }
}

}  // namespace yolov5_dnn
