// SPDX-License-Identifier: Apache-2.0
// Masks as COCO writes them: run lengths down the columns, in a short text.
// https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c documents the format: the lengths of runs of 0
// and 1 in turn, beginning with 0, column by column. From the fourth on, each is written as its difference from the one
// before the last; then in groups of five bits, lowest first, a sixth bit telling that more follow, each group a letter
// from "0" on.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <opencv2/core.hpp>

#include "../stages/masks.hpp"

namespace yolov5_dnn {

namespace detail {

inline std::string text_of_runs(const std::vector<std::int64_t>& counts) {
    std::string text;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        std::int64_t value = i > 2 ? counts[i] - counts[i - 2] : counts[i];
        for (bool more = true; more;) {
            const auto group = static_cast<int>(value & 0x1F);
            value >>= 5;  // keeps the sign
            more = value != (group & 0x10 ? -1 : 0);
            text += static_cast<char>('0' + (more ? group | 0x20 : group));
        }
    }
    return text;
}

}  // namespace detail

// Writes a mask as COCO's compressed RLE, the text called `counts` beside `size`, [height, width]. `window` is a part
// of an image of this size; all else is 0.
inline std::string encode_rle(const Bitmap& window, cv::Size image) {
    std::vector<std::int64_t> bounds = {0};  // of the runs, in pixels counted down the columns
    cv::Mat columns;
    if (!window.pixels.empty()) cv::transpose(window.pixels, columns);
    for (int column = 0; column < columns.rows; ++column) {
        const auto* const pixels = columns.ptr<unsigned char>(column);
        const std::int64_t start = static_cast<std::int64_t>(window.corner.x + column) * image.height + window.corner.y;
        for (int row = 0; row < columns.cols; ++row) {
            if (!pixels[row]) continue;
            const int first = row;
            while (row < columns.cols && pixels[row]) ++row;
            // A run that begins where the last one ended, at the foot of the column before, goes on with it.
            if (bounds.size() > 1 && bounds.back() == start + first) {
                bounds.back() = start + row;
            } else {
                bounds.push_back(start + first);
                bounds.push_back(start + row);
            }
        }
    }
    const std::int64_t all = static_cast<std::int64_t>(image.width) * image.height;
    if (bounds.size() == 1 || bounds.back() != all) bounds.push_back(all);
    std::vector<std::int64_t> counts;
    for (std::size_t i = 1; i < bounds.size(); ++i) counts.push_back(bounds[i] - bounds[i - 1]);
    return detail::text_of_runs(counts);
}

}  // namespace yolov5_dnn
