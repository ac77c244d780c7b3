// SPDX-License-Identifier: Apache-2.0
// Operators that slide a window along the sides of a value: convolutions and pooling.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "../../tasks/model_info.hpp"
#include "context.hpp"

namespace yolov5_dnn {

namespace detail {

// Kernel, strides, dilations and pads of a convolution or pooling, each checked.
class SlidingWindow {
public:
    SlidingWindow(const Operands& o, const Sides& its_kernel, std::size_t rank) {
        need(rank >= 1 && rank <= 3, "it has not one to three sides to slide along");
        kernel = o.integers("kernel_shape", its_kernel);
        strides = o.integers("strides", Sides(rank, 1));
        const Sides dilations = o.integers("dilations", Sides(rank, 1));
        pads = o.integers("pads", Sides(2 * rank, 0));
        const auto check = [&](const char* name, const Sides& values) {
            need(values.size() == rank && all_within(values, 1, max_side), name + (" is " + text_of(values)));
        };
        check("kernel_shape", kernel);
        check("strides", strides);
        check("dilations", dilations);
        need(pads.size() == 2 * rank && all_within(pads, 0, max_side), "pads is " + text_of(pads));
        for (std::size_t i = 0; i < rank; ++i) reach.push_back((kernel[i] - 1) * dilations[i] + 1);
        area = count_of(kernel);
        auto_pad = o.text("auto_pad", "NOTSET");
        need(auto_pad == "NOTSET" || auto_pad == "VALID" || auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER",
             "its auto_pad is unknown");
        ceil_mode = o.integer("ceil_mode", 0) != 0;
    }

    // The sides of what it makes of a value's sides from the third on.
    Sides slid(const Sides& x) const {
        Sides made;
        const std::size_t rank = kernel.size();
        for (std::size_t i = 0; i < rank; ++i) {
            const std::int64_t side = x[i + 2], stride = strides[i];
            if (auto_pad.substr(0, 4) == "SAME") {
                made.push_back((side + stride - 1) / stride);
                continue;
            }
            const std::int64_t padded = side + (auto_pad == "VALID" ? 0 : pads[i] + pads[i + rank]);
            const std::int64_t room = padded - reach[i];
            need(room >= 0, "its window of " + std::to_string(reach[i]) + " is larger than the " +
                                std::to_string(padded) + " it slides along");
            made.push_back((room + (ceil_mode ? stride - 1 : 0)) / stride + 1);
        }
        return made;
    }

    Sides kernel, strides, pads, reach;
    std::int64_t area = 0;
    std::string auto_pad;
    bool ceil_mode = false;
};

inline Made conv(Operands& o) {
    const Sides &x = o.shape(0), &weight = o.shape(1);
    need(x.size() >= 3 && weight.size() == x.size() && count_of(weight), "its weight has another number of sides");
    const std::int64_t group = o.integer("group", 1);
    need(group >= 1 && x[1] == product(weight[1], group) && weight[0] % group == 0,
         std::to_string(group) + " groups do not fit the channels");
    need(!o.has(2) || o.shape(2) == Sides{weight[0]}, "its bias has another length");
    const SlidingWindow window(o, part_of(weight, 2, weight.size()), x.size() - 2);
    need(window.kernel == part_of(weight, 2, weight.size()), "its weight is not of its kernel's size");
    const Sides made = joined({x[0], weight[0]}, window.slid(x));
    o.work = product(product(count_of(made), weight[1]), window.area);
    return {made};
}

inline Made conv_transpose(Operands& o) {
    const Sides &x = o.shape(0), &weight = o.shape(1);
    need(x.size() >= 3 && weight.size() == x.size() && count_of(weight), "its weight has another number of sides");
    const std::int64_t group = o.integer("group", 1);
    need(group >= 1 && x[1] == weight[0] && weight[0] % group == 0,
         std::to_string(group) + " groups do not fit the channels");
    need(!o.has(2) || o.shape(2) == Sides{product(weight[1], group)}, "its bias has another length");
    const std::size_t rank = x.size() - 2;
    const SlidingWindow window(o, part_of(weight, 2, weight.size()), rank);
    need(window.kernel == part_of(weight, 2, weight.size()), "its weight is not of its kernel's size");
    need(window.auto_pad == "NOTSET", "its size is not stated by pads");
    const Sides extra = o.integers("output_padding", Sides(rank, 0));
    const std::int64_t least_stride = *std::min_element(window.strides.begin(), window.strides.end());
    need(extra.size() == rank && all_within(extra, 0, least_stride - 1), "output_padding is " + text_of(extra));
    Sides made{x[0], product(weight[1], group)};
    for (std::size_t i = 0; i < rank; ++i) {
        made.push_back((x[2 + i] - 1) * window.strides[i] + window.reach[i] + extra[i] - window.pads[i] -
                       window.pads[i + rank]);
        need(made.back() > 0, "its pads leave nothing");
    }
    o.work = product(product(count_of(x), weight[1]), window.area);
    return {made};
}

inline Made pool(Operands& o) {
    const Sides& x = o.shape(0);
    need(x.size() >= 3, "it has not one to three sides to slide along");
    const SlidingWindow window(o, {}, x.size() - 2);
    for (std::size_t i = 0; i < window.pads.size(); ++i)
        need(window.pads[i] < window.reach[i % window.reach.size()], "its pads are as wide as its kernel");
    const Sides made = joined({x[0], x[1]}, window.slid(x));
    o.work = product(count_of(made), window.area);
    return {made};
}

inline Made global_pool(Operands& o) {
    const Sides& x = o.shape(0);
    need(x.size() >= 3, "it has no sides to pool");
    return {joined({x[0], x[1]}, Sides(x.size() - 2, 1))};
}

inline const std::map<std::string, Rule> sliding_rules = {
    {"AveragePool", pool},
    {"Conv", conv},
    {"ConvTranspose", conv_transpose},
    {"GlobalAveragePool", global_pool},
    {"GlobalMaxPool", global_pool},
    {"MaxPool", pool},
};

}  // namespace detail

}  // namespace yolov5_dnn
