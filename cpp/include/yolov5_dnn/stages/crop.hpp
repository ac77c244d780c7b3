// SPDX-License-Identifier: Apache-2.0
// From an image of any size to a classifier's input: its middle, scaled, with the colours normalised. The arithmetic is
// YOLOv5's. Release v7.0 cuts the largest square from the middle and scales that ("square"); v6.2 scales the shorter
// side and cuts the middle then ("shorter-side"):
// https://github.com/ultralytics/yolov5/blob/v7.0/utils/augmentations.py (CenterCrop, ToTensor) and
// https://github.com/ultralytics/yolov5/blob/v6.2/utils/augmentations.py (classify_transforms).

#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "letterbox.hpp"

namespace yolov5_dnn {

// Cuts the largest square from the middle of a BGR image, 8 bits, and scales it to size × size.
inline cv::Mat crop_square(const cv::Mat& image, int size) {
    const int side = std::min(image.rows, image.cols);
    const cv::Mat square = image(cv::Rect((image.cols - side) / 2, (image.rows - side) / 2, side, side));
    if (side == size) return square;
    cv::Mat scaled;
    if (side == 1) return cv::Mat(size, size, CV_8UC3, cv::Scalar(square.at<cv::Vec3b>(0, 0)));  // see `letterbox`
    cv::resize(square, scaled, {size, size}, 0, 0, cv::INTER_LINEAR);
    return scaled;
}

namespace detail {

// Between which two pixels of a line of so many a pixel of the scaled line lies, and how far from the first. In float
// throughout, as PyTorch computes it: its interpolate, bilinear, without aligned corners.
struct Tap {
    int first = 0;
    int second = 0;
    float share = 0;

    Tap(std::int64_t pixel, std::int64_t scaled, int source) {
        const float scale = static_cast<float>(source) / static_cast<float>(scaled);
        const float position = (static_cast<float>(pixel) + 0.5F) * scale - 0.5F;
        const float inside = std::min(std::max(position, 0.0F), static_cast<float>(source - 1));
        first = static_cast<int>(inside);
        second = std::min(first + 1, source - 1);
        share = inside - static_cast<float>(first);
    }
};

}  // namespace detail

// Scales a BGR image, 8 bits, so that its shorter side is `size`, and cuts the middle square: float, 0 to 1, because
// v6.2 scales floats, which are not rounded afterwards. What is cut off, which can be a thousand times as much, is never
// computed.
inline cv::Mat crop_shorter_side(const cv::Mat& image, int size) {
    const int shorter = std::min(image.rows, image.cols);
    const auto taps = [&](int side) {
        const std::int64_t scaled =
            side == shorter ? size : static_cast<std::int64_t>(static_cast<double>(size) * side / shorter);
        const auto first = static_cast<std::int64_t>(std::nearbyint(static_cast<double>(scaled - size) / 2));
        std::vector<detail::Tap> all;
        for (int i = 0; i < size; ++i) all.emplace_back(first + i, scaled, side);
        return all;
    };
    const std::vector<detail::Tap> rows = taps(image.rows), columns = taps(image.cols);
    const auto unit = [](unsigned char value) { return static_cast<float>(value) / 255.0F; };
    const auto between = [](float first, float second, float share) { return first * (1 - share) + second * share; };
    cv::Mat square(size, size, CV_32FC3);
    for (int y = 0; y < size; ++y) {
        const detail::Tap& down = rows[static_cast<std::size_t>(y)];
        const auto* const above = image.ptr<cv::Vec3b>(down.first);
        const auto* const below = image.ptr<cv::Vec3b>(down.second);
        for (int x = 0; x < size; ++x) {
            const detail::Tap& across = columns[static_cast<std::size_t>(x)];
            for (int c = 0; c < 3; ++c) {
                const auto blend = [&](const cv::Vec3b* row) {
                    return between(unit(row[across.first][c]), unit(row[across.second][c]), across.share);
                };
                square.at<cv::Vec3f>(y, x)[c] = between(blend(above), blend(below), down.share);
            }
        }
    }
    return square;
}

// Turns a BGR image, 8 bits, into a classifier's input: float (1, 3, size, size), RGB. `crop` is "square" or
// "shorter-side"; each colour, 0 to 1, is normalised by its mean and standard deviation, in the order R, G, B.
inline void to_classifier_blob(const cv::Mat& image, int size, const std::string& crop, const cv::Vec3f& mean,
                               const cv::Vec3f& deviation, cv::Mat& blob) {
    if (crop == "square") {
        to_blob(crop_square(image, size), 1, blob);
    } else {
        const cv::Mat middle = crop_shorter_side(image, size);
        const std::array<int, 4> shape = {1, 3, size, size};
        blob.create(4, shape.data(), CV_32F);
        for (int y = 0; y < size; ++y)
            for (int x = 0; x < size; ++x)
                for (int c = 0; c < 3; ++c) blob.ptr<float>(0, c, y)[x] = middle.at<cv::Vec3f>(y, x)[2 - c];
    }
    for (int c = 0; c < 3; ++c) {
        float* const plane = blob.ptr<float>(0, c);
        const auto pixels = static_cast<std::ptrdiff_t>(size) * size;
        std::transform(plane, plane + pixels, plane, [&](float value) { return (value - mean[c]) / deviation[c]; });
    }
}

}  // namespace yolov5_dnn
