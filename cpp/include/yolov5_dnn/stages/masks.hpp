// SPDX-License-Identifier: Apache-2.0
// From prototypes and mask coefficients to the mask of what was found, and from the canvas to the image.
//
// A mask is σ(coefficients · prototypes), cut to its box, scaled up to the canvas and compared with a half:
// https://github.com/ultralytics/yolov5/blob/v7.0/utils/segment/general.py (process_mask).
//
// Only what lies within a mask's box is ever computed, and kept at the resolution of the canvas, a byte a pixel: n
// masks take at most n · H · W bytes for a network input of H × W, whatever the image's size. The image's own pixels
// are made when they are asked for.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "decode.hpp"
#include "letterbox.hpp"

namespace yolov5_dnn {

// Where a mask may be: `pixels`, 8 bits, from `corner` on, 255 for what belongs to it and 0 for the rest. Everything
// else is outside it.
struct Bitmap {
    cv::Point corner;
    cv::Mat pixels;
};

// Computes the mask of a box on the canvas. `prototypes` are float (nm, mh, mw); there are nm `coefficients`; `xyxy` is
// in pixels of the canvas, neither clipped nor rounded.
inline Bitmap make_bitmap(const Head& prototypes, const float* coefficients, const cv::Vec4f& xyxy, cv::Size canvas) {
    const double scale_x = static_cast<double>(canvas.width) / prototypes.nx;
    const double scale_y = static_cast<double>(canvas.height) / prototypes.ny;
    // A cell belongs to the box if its index does: the first one is the first not below the edge.
    const auto first = [](float edge, double scale, int cells) {
        const float place = edge * static_cast<float>(1 / scale);
        return std::ceil(std::min(std::max(place, 0.0F), static_cast<float>(cells)));
    };
    const float x1 = first(xyxy[0], scale_x, prototypes.nx), y1 = first(xyxy[1], scale_y, prototypes.ny);
    const float x2 = first(xyxy[2], scale_x, prototypes.nx), y2 = first(xyxy[3], scale_y, prototypes.ny);
    if (!(x1 < x2 && y1 < y2)) return {};
    const cv::Rect box(cv::Point(static_cast<int>(x1), static_cast<int>(y1)),
                       cv::Point(static_cast<int>(x2), static_cast<int>(y2)));
    // One cell more on each side: scaling up mixes neighbours, and those outside the box count as 0.
    const cv::Rect reach =
        cv::Rect(box.x - 1, box.y - 1, box.width + 2, box.height + 2) & cv::Rect(0, 0, prototypes.nx, prototypes.ny);
    cv::Mat inside = cv::Mat::zeros(reach.size(), CV_32F);
    for (int y = box.y; y < box.br().y; ++y) {
        float* const row = inside.ptr<float>(y - reach.y) + (box.x - reach.x);
        const float* cells = prototypes.data + static_cast<std::ptrdiff_t>(y) * prototypes.nx + box.x;
        for (int k = 0; k < prototypes.channels; ++k) {
            for (int x = 0; x < box.width; ++x) row[x] += coefficients[k] * cells[x];
            cells += static_cast<std::ptrdiff_t>(prototypes.ny) * prototypes.nx;
        }
        for (int x = 0; x < box.width; ++x) row[x] = sigmoid(row[x]);
    }
    const auto on_canvas = [&](cv::Point cell) {
        return cv::Point(detail::round(cell.x * scale_x), detail::round(cell.y * scale_y));
    };
    const cv::Rect place(on_canvas(reach.tl()), on_canvas(reach.br()));
    if (place.empty()) return {};
    cv::Mat scaled;
    cv::resize(inside, scaled, place.size(), 0, 0, cv::INTER_LINEAR);
    return {place.tl(), scaled > 0.5};
}

namespace detail {

// What of an image a bitmap of the canvas reaches, along one axis. canvas = image · scale + pad holds for edges; a
// pixel's centre is half a pixel further. The picture on the canvas was rounded to whole pixels there, so its edge is
// meant within one of them.
struct Reach {
    int start = 0;       // the pixels of the image from here …
    int end = 0;         // … to here
    bool first = false;  // whether the bitmap touches the image's first pixel
    bool last = false;   // and its last
    double offset = 0;   // where the centre of the pixel `start` lies in the bitmap, with a border of one

    Reach(int bitmap_start, int length, double scale, double pad, int side)
        : first(bitmap_start < pad + 1), last(bitmap_start + length > side * scale + pad - 1) {
        if (!first) start = std::max(static_cast<int>(std::floor((bitmap_start - pad) / scale)), 0);
        end = last ? side : std::min(static_cast<int>(std::ceil((bitmap_start + length - pad) / scale)), side);
        offset = (start + 0.5) * scale + pad - 0.5 - (bitmap_start - 1);
    }
};

}  // namespace detail

// The mask of one object: what of the image belongs to it.
struct Mask {
    Bitmap bitmap;        // on the canvas
    Placement placement;  // of the image there
    cv::Size image;       // its size; empty where the model gives no masks

    // Whether there is none, because the model gives none.
    bool empty() const { return image.empty(); }

    // The part of the image that holds the mask; the rest is outside it. It has no pixels if the mask has none.
    Bitmap window() const {
        const cv::Mat& pixels = bitmap.pixels;
        if (pixels.empty()) return {};
        const detail::Reach x(bitmap.corner.x, pixels.cols, placement.scale, placement.pad_x, image.width);
        const detail::Reach y(bitmap.corner.y, pixels.rows, placement.scale, placement.pad_y, image.height);
        if (x.end <= x.start || y.end <= y.start) return {};
        // Around the bitmap it is 0, but past the image's own edge it goes on as it is there.
        cv::Mat bordered;
        cv::copyMakeBorder(pixels, bordered, 1, 1, 1, 1, cv::BORDER_CONSTANT, cv::Scalar(0));
        if (x.first) bordered.col(1).copyTo(bordered.col(0));
        if (x.last) bordered.col(pixels.cols).copyTo(bordered.col(pixels.cols + 1));
        if (y.first) bordered.row(1).copyTo(bordered.row(0));
        if (y.last) bordered.row(pixels.rows).copyTo(bordered.row(pixels.rows + 1));
        const cv::Matx23d matrix(placement.scale, 0, x.offset, 0, placement.scale, y.offset);
        cv::Mat grey_pixels;
        cv::warpAffine(bordered, grey_pixels, matrix, {x.end - x.start, y.end - y.start},
                       cv::INTER_LINEAR | cv::WARP_INVERSE_MAP, cv::BORDER_REPLICATE);
        return {{x.start, y.start}, grey_pixels > 127};
    }

    // All of the image's pixels: 8 bits, 255 for those that belong to it and 0 for the rest.
    cv::Mat pixels() const {
        cv::Mat all(image, CV_8U, cv::Scalar(0));
        const Bitmap part = window();
        if (!part.pixels.empty()) part.pixels.copyTo(all(cv::Rect(part.corner, part.pixels.size())));
        return all;
    }
};

}  // namespace yolov5_dnn
