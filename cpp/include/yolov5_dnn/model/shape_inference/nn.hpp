// SPDX-License-Identifier: Apache-2.0
// ONNX's group `nn`: convolutions, pooling, normalisation.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../../tasks/model_info.hpp"
#include "context.hpp"

namespace yolov5_dnn {

namespace detail {

// Kernel, strides, dilations and pads of a convolution or pooling, each checked.
class SlidingWindow {
public:
    SlidingWindow(const InferenceContext& ctx, const Sides& its_kernel, std::size_t rank) {
        require(rank >= 1 && rank <= 3, "its input does not have one to three spatial dimensions");
        kernel = ctx.integers("kernel_shape", its_kernel);
        strides = ctx.integers("strides", Sides(rank, 1));
        const Sides dilations = ctx.integers("dilations", Sides(rank, 1));
        pads = ctx.integers("pads", Sides(2 * rank, 0));
        const auto check = [&](const char* name, const Sides& values) {
            require(values.size() == rank && all_within(values, 1, max_side), name + (" is " + text_of(values)));
        };
        check("kernel_shape", kernel);
        check("strides", strides);
        check("dilations", dilations);
        require(pads.size() == 2 * rank && all_within(pads, 0, max_side), "pads is " + text_of(pads));
        for (std::size_t i = 0; i < rank; ++i) reach.push_back((kernel[i] - 1) * dilations[i] + 1);
        area = count_of(kernel);
        auto_pad = ctx.string("auto_pad", "NOTSET");
        require(auto_pad == "NOTSET" || auto_pad == "VALID" || auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER",
                "its auto_pad is unknown");
        ceil_mode = ctx.integer("ceil_mode", 0) != 0;
    }

    // The spatial dimensions of the output, from all those of the input.
    Sides output(const Sides& x) const {
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
            require(room >= 0, "its kernel of " + std::to_string(reach[i]) + " is larger than the " +
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

inline Made conv(InferenceContext& ctx) {
    const Sides &x = ctx.shape(0), &weight = ctx.shape(1);
    require(x.size() >= 3 && weight.size() == x.size() && count_of(weight),
            "its weight has another number of dimensions");
    const std::int64_t group = ctx.integer("group", 1);
    require(group >= 1 && x[1] == product(weight[1], group) && weight[0] % group == 0,
            std::to_string(group) + " groups do not fit the channels");
    require(!ctx.has(2) || ctx.shape(2) == Sides{weight[0]}, "its bias has another length");
    const SlidingWindow window(ctx, part_of(weight, 2, weight.size()), x.size() - 2);
    require(window.kernel == part_of(weight, 2, weight.size()), "its weight is not of its kernel's size");
    const Sides made = joined({x[0], weight[0]}, window.output(x));
    ctx.multiplications = product(product(count_of(made), weight[1]), window.area);
    return {made};
}

inline Made conv_transpose(InferenceContext& ctx) {
    const Sides &x = ctx.shape(0), &weight = ctx.shape(1);
    require(x.size() >= 3 && weight.size() == x.size() && count_of(weight),
            "its weight has another number of dimensions");
    const std::int64_t group = ctx.integer("group", 1);
    require(group >= 1 && x[1] == weight[0] && weight[0] % group == 0,
            std::to_string(group) + " groups do not fit the channels");
    require(!ctx.has(2) || ctx.shape(2) == Sides{product(weight[1], group)}, "its bias has another length");
    const std::size_t rank = x.size() - 2;
    const SlidingWindow window(ctx, part_of(weight, 2, weight.size()), rank);
    require(window.kernel == part_of(weight, 2, weight.size()), "its weight is not of its kernel's size");
    require(window.auto_pad == "NOTSET", "its size is not stated by pads");
    const Sides extra = ctx.integers("output_padding", Sides(rank, 0));
    bool fits = extra.size() == rank;
    for (std::size_t i = 0; fits && i < rank; ++i) fits = extra[i] >= 0 && extra[i] < window.strides[i];
    require(fits, "output_padding is " + text_of(extra));
    Sides made{x[0], product(weight[1], group)};
    for (std::size_t i = 0; i < rank; ++i) {
        made.push_back((x[2 + i] - 1) * window.strides[i] + window.reach[i] + extra[i] - window.pads[i] -
                       window.pads[i + rank]);
        require(made.back() > 0, "its pads leave nothing");
    }
    ctx.multiplications = product(product(count_of(x), weight[1]), window.area);
    return {made};
}

inline Made pool(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    require(x.size() >= 3, "its input does not have one to three spatial dimensions");
    const SlidingWindow window(ctx, {}, x.size() - 2);
    for (std::size_t i = 0; i < window.pads.size(); ++i)
        require(window.pads[i] < window.reach[i % window.reach.size()], "its pads are as wide as its kernel");
    const Sides made = joined({x[0], x[1]}, window.output(x));
    ctx.multiplications = product(count_of(made), window.area);
    return {made};
}

inline Made global_pool(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    require(x.size() >= 3, "its input has no spatial dimensions");
    return {joined({x[0], x[1]}, Sides(x.size() - 2, 1))};
}

// With one number for each channel.
inline Made normalize_channels(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    require(x.size() >= 2, "it does not have one number per channel");
    for (std::size_t i = 1; i < ctx.node.inputs.size(); ++i)
        require(ctx.shape(i) == Sides{x[1]}, "it does not have one number per channel");
    return {x};
}

// Of channels; with one number for each channel.
inline Made normalize_groups(InferenceContext& ctx) {
    const std::int64_t groups = ctx.integer("num_groups", 0);
    const Made made = normalize_channels(ctx);
    require(groups >= 1 && made[0][1] % groups == 0, std::to_string(groups) + " groups do not fit the channels");
    return made;
}

inline Made normalize_layer(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const std::size_t axis = normalize_axis(ctx.integer("axis", -1), x.size());
    for (std::size_t i = 1; i < ctx.node.inputs.size(); ++i)
        require(ctx.shape(i) == part_of(x, axis, x.size()), "it does not have one number per element");
    return {x};
}

inline Made flatten(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const std::int64_t axis = ctx.integer("axis", 1), rank = static_cast<std::int64_t>(x.size());
    require(-rank <= axis && axis <= rank, "there is no axis " + std::to_string(axis));
    const auto middle = static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
    return {{count_of(part_of(x, 0, middle)), count_of(part_of(x, middle, x.size()))}};
}

inline Made dropout(InferenceContext& ctx) { return Made(ctx.node.outputs.size(), ctx.shape(0)); }  // its mask, too

// The attributes of a window, and more.
inline std::vector<const char*> window_and(const std::vector<const char*>& more) {
    std::vector<const char*> names = {"auto_pad", "dilations", "kernel_shape", "pads", "strides"};
    names.insert(names.end(), more.begin(), more.end());
    return names;
}

inline const Operators nn_operators = {
    {"AveragePool", {pool, window_and({"ceil_mode", "count_include_pad"})}},
    {"BatchNormalization", {normalize_channels, {"epsilon", "momentum"}, {{"spatial", 1}, {"training_mode", 0}}}},
    {"Conv", {conv, window_and({"group"})}},
    {"ConvTranspose", {conv_transpose, window_and({"group", "output_padding"})}},
    {"Dropout", {dropout, {"ratio", "seed"}}},
    {"Flatten", {flatten, {"axis"}, {}, {}, true}},
    {"GlobalAveragePool", {global_pool}},
    {"GlobalMaxPool", {global_pool}},
    {"GroupNormalization", {normalize_groups, {"epsilon", "num_groups"}, {{"stash_type", 1}}}},
    {"InstanceNormalization", {normalize_channels, {"epsilon"}}},
    {"LayerNormalization", {normalize_layer, {"axis", "epsilon"}, {{"stash_type", 1}}}},
    {"MaxPool", {pool, window_and({"ceil_mode", "storage_order"})}},
};

}  // namespace detail

}  // namespace yolov5_dnn
