// SPDX-License-Identifier: Apache-2.0
// From an image of any size to a classifier's input: its middle, scaled, with the colours normalised. The arithmetic is
// YOLOv5's. Release v7.0 cuts the largest square from the middle and scales that ("square"); v6.2 scales the shorter side
// and cuts the middle then ("shorter-side"):
// https://github.com/ultralytics/yolov5/blob/v7.0/utils/augmentations.py (CenterCrop, ToTensor) and
// https://github.com/ultralytics/yolov5/blob/v6.2/utils/augmentations.py (classify_transforms).

#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

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

// Scales a BGR image, 8 bits, so that its shorter side is `size`, and cuts the middle square: float, 0 to 1, because v6.2
// scales floats, which are not rounded afterwards.
inline cv::Mat crop_shorter_side(const cv::Mat& image, int size) {
    const int shorter = std::min(image.rows, image.cols);
    const auto scaled_side = [&](int side) { return static_cast<int>(static_cast<double>(size) * side / shorter); };
    const cv::Size scaled_size =
        image.rows <= image.cols ? cv::Size(scaled_side(image.cols), size) : cv::Size(size, scaled_side(image.rows));
    cv::Mat floats(image.size(), CV_32FC3);
    for (int y = 0; y < image.rows; ++y) {
        const auto* const from = image.ptr<unsigned char>(y);
        std::transform(from, from + 3 * image.cols, floats.ptr<float>(y),
                       [](unsigned char value) { return static_cast<float>(value) / 255.0F; });
    }
    cv::Mat scaled = floats;
    if (scaled_size != image.size()) cv::resize(floats, scaled, scaled_size, 0, 0, cv::INTER_LINEAR);
    const int top = detail::round((scaled.rows - size) / 2.0), left = detail::round((scaled.cols - size) / 2.0);
    return scaled(cv::Rect(left, top, size, size));
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
