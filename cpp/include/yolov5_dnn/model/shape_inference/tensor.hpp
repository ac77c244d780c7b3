// SPDX-License-Identifier: Apache-2.0
// ONNX's group `tensor`, with Constant of its `generator`: join, cut, scale, repeat, transpose, look up.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "../../tasks/model_info.hpp"
#include "context.hpp"

namespace yolov5_dnn {

namespace detail {

inline Made concat(InferenceContext& ctx) {
    Sides made = ctx.shape(0);
    const std::size_t axis = normalize_axis(ctx.integer("axis", 1), made.size());
    for (std::size_t i = 1; i < ctx.node.inputs.size(); ++i) {
        Sides shape = ctx.shape(i);
        const std::int64_t more = axis < shape.size() ? shape[axis] : 0;
        if (axis < shape.size()) shape[axis] = made[axis];
        require(shape == made, "their dimensions differ");
        made[axis] += more;
    }
    return {made};
}

inline Made split(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const std::size_t axis = normalize_axis(ctx.integer("axis", 0), x.size());
    const auto count = static_cast<std::int64_t>(ctx.node.outputs.size());
    std::optional<Sides> parts = ctx.attribute_or_input("split", 1);
    if (!parts) {
        const std::int64_t size = (x[axis] + count - 1) / count;
        parts = Sides();
        for (std::int64_t i = 0; i < count; ++i) parts->push_back(std::min(size, x[axis] - size * i));
    }
    require(static_cast<std::int64_t>(parts->size()) == count && all_within(*parts, 0, x[axis]),
            "its parts are not the whole");
    Made made(parts->size(), x);
    std::int64_t total = 0;
    for (std::size_t i = 0; i < made.size(); ++i) total += made[i][axis] = (*parts)[i];
    require(total == x[axis], "its parts are not the whole");
    return made;
}

// How many elements a slice takes of a dimension, by Python's rules.
inline std::int64_t sliced(std::int64_t side, std::int64_t start, std::int64_t end, std::int64_t step) {
    const auto clamped = [&](std::int64_t at) {
        if (at < 0) at += side;
        return step > 0 ? std::clamp<std::int64_t>(at, 0, side) : std::clamp<std::int64_t>(at, -1, side - 1);
    };
    const std::int64_t first = clamped(start), last = clamped(end);
    const std::int64_t distance = step > 0 ? last - first : first - last, pace = step > 0 ? step : -step;
    return distance <= 0 ? 0 : (distance - 1) / pace + 1;
}

inline Made slice(InferenceContext& ctx) {
    Sides made = ctx.shape(0);
    const Sides starts = ctx.attribute_or_input("starts", 1).value_or(Sides()),
                ends = ctx.attribute_or_input("ends", 2).value_or(Sides());
    Sides axes = ctx.attribute_or_input("axes", 3).value_or(Sides()),
          steps = ctx.attribute_or_input("steps", 4).value_or(Sides());
    if (axes.empty())
        for (std::size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
    if (steps.empty()) steps.assign(starts.size(), 1);
    require(starts.size() == ends.size() && axes.size() == starts.size() && steps.size() == starts.size() &&
                !std::count(steps.begin(), steps.end(), 0),
            "its lists differ in length");
    for (std::size_t i = 0; i < starts.size(); ++i) {
        const std::size_t axis = normalize_axis(axes[i], made.size());
        made[axis] = sliced(ctx.shape(0)[axis], starts[i], ends[i], steps[i]);
        require(made[axis] > 0, "it leaves nothing");
    }
    return {made};
}

inline std::int64_t scaled(std::int64_t side, double scale) {
    require(scale > 0 && scale <= max_side, "its scale is " + std::to_string(scale));
    return static_cast<std::int64_t>(std::floor(static_cast<double>(side) * scale));
}

inline Made resize(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const bool upsample = ctx.node.op_type == "Upsample" || ctx.node.inputs.size() == 2;
    Sides sides;
    if (ctx.has(3) && ctx.shape(3) != Sides{0}) {
        sides = ctx.integer_constant(3);
    } else {
        std::vector<double> scales;
        if (const Attribute* const listed = ctx.attribute("scales", Attribute::Kind::reals, " list of numbers"))
            scales.assign(listed->reals.begin(), listed->reals.end());
        else
            scales = ctx.constant(upsample ? 1 : 2);
        require(scales.size() == x.size(), "it does not have one scale per dimension");
        for (std::size_t i = 0; i < x.size(); ++i) sides.push_back(scaled(x[i], scales[i]));
    }
    require(sides.size() == x.size() && all_within(sides, 1, max_dim),
            "its size does not have one number per dimension");
    require(x.size() < 3 || (sides[0] == x[0] && sides[1] == x[1]), "it scales more than height and width");
    return {sides};
}

inline Made reshape(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    Sides made = ctx.attribute_or_input("shape", 1).value_or(Sides());
    require(made.size() <= max_dimensions && all_within(made, -1, max_dim), "its shape is unusable");
    require(!std::count(made.begin(), made.end(), 0) || ctx.integer("allowzero", 0) == 0, "its shape has a 0");
    std::int64_t known = 1, open = 0;
    for (std::size_t i = 0; i < made.size(); ++i) {
        if (made[i] == 0 && i < x.size()) made[i] = x[i];
        if (made[i] == -1)
            ++open;
        else
            known = product(known, made[i]);
    }
    if (open) {
        require(open == 1 && known > 0 && count_of(x) % known == 0, "its shape leaves a dimension open");
        *std::find(made.begin(), made.end(), -1) = count_of(x) / known;
    }
    require(count_of(made) == count_of(x), "its shape holds another number of values");
    return {made};
}

inline Made transpose(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    Sides straight;
    for (std::size_t i = 0; i < x.size(); ++i) straight.push_back(static_cast<std::int64_t>(i));
    const Sides order = ctx.integers("perm", Sides(straight.rbegin(), straight.rend()));
    require(order.size() == x.size() && std::is_permutation(order.begin(), order.end(), straight.begin()),
            "its perm is not an order of the dimensions");
    Sides made;
    for (const std::int64_t i : order) made.push_back(x[static_cast<std::size_t>(i)]);
    return {made};
}

inline Made squeeze(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const std::optional<Sides> axes = ctx.attribute_or_input("axes", 1);
    const std::set<std::size_t> gone = normalize_axes(axes.value_or(Sides()), x.size());
    Sides made;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const bool leaves = axes ? gone.count(i) > 0 : x[i] == 1;
        require(!leaves || x[i] == 1, "a dimension that it leaves out is not 1");
        if (!leaves) made.push_back(x[i]);
    }
    return {made};
}

inline Made unsqueeze(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const Sides axes = ctx.attribute_or_input("axes", 1).value_or(Sides());
    const std::size_t rank = x.size() + axes.size();
    const std::set<std::size_t> fresh = normalize_axes(axes, rank);
    require(fresh.size() == axes.size() && rank <= max_dimensions, "its axes are unusable");
    Sides made;
    std::size_t next = 0;
    for (std::size_t i = 0; i < rank; ++i) made.push_back(fresh.count(i) ? 1 : x[next++]);
    return {made};
}

inline Made constant(InferenceContext& ctx) {
    require(ctx.node.attributes.size() == 1, "it holds no tensor");
    const std::string& name = ctx.node.attributes.begin()->first;
    const Attribute& value = ctx.node.attributes.begin()->second;
    Tensor tensor;
    if (name == "value" && value.kind == Attribute::Kind::tensor) {
        tensor = value.tensor;
    } else {
        const bool many = value.kind == Attribute::Kind::integers || value.kind == Attribute::Kind::reals;
        require((name == "value_int" || name == "value_float" || name == "value_ints" || name == "value_floats") &&
                    (many || value.kind == Attribute::Kind::integer || value.kind == Attribute::Kind::real),
                "it holds no tensor");
        for (const std::int64_t v : value.integers) tensor.values.push_back(static_cast<double>(v));
        for (const float v : value.reals) tensor.values.push_back(v);
        if (many) tensor.dims = {static_cast<std::int64_t>(tensor.values.size())};
    }
    ctx.set_constant(tensor);
    return {tensor.dims};
}

inline Made pad(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const Sides pads = ctx.attribute_or_input("pads", 1).value_or(Sides());
    require(!ctx.has(3), "its axes are an input");
    require(pads.size() == 2 * x.size() && all_within(pads, -max_side, max_side),
            "its pads are not two for each dimension");
    const bool repeats = ctx.string("mode", "constant") != "constant";
    Sides made;
    for (std::size_t i = 0; i < x.size(); ++i) {
        made.push_back(x[i] + pads[i] + pads[i + x.size()]);
        require(made.back() > 0, "its pads leave nothing");
    }
    for (std::size_t i = 0; i < pads.size(); ++i)
        require(!repeats || pads[i] < x[i % x.size()], "its pads are wider than what they repeat");
    return {made};
}

inline Made expand(InferenceContext& ctx) {
    const Sides sides = ctx.integer_constant(1);
    require(sides.size() <= max_dimensions && all_within(sides, 1, max_dim), "its shape is unusable");
    return {broadcast(ctx.shape(0), sides)};
}

inline Made tile(InferenceContext& ctx) {
    Sides made = ctx.shape(0);
    const Sides repeats = ctx.integer_constant(1);
    require(repeats.size() == made.size() && all_within(repeats, 1, max_dim),
            "it does not have one repeat per dimension");
    for (std::size_t i = 0; i < made.size(); ++i) made[i] = product(made[i], repeats[i]);
    return {made};
}

inline Made space_to_depth(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const std::int64_t block = ctx.integer("blocksize", 0);
    require(x.size() == 4 && block >= 1 && block <= max_side && x[2] % block == 0 && x[3] % block == 0,
            "its blocks do not fit");
    return {{x[0], product(x[1], block * block), x[2] / block, x[3] / block}};
}

inline Made depth_to_space(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const std::int64_t block = ctx.integer("blocksize", 0);
    require(x.size() == 4 && block >= 1 && block <= max_side && x[1] % (block * block) == 0, "its blocks do not fit");
    return {{x[0], x[1] / (block * block), x[2] * block, x[3] * block}};
}

// What it takes must be there: a network that reads beside a value is refused.
inline Made gather(InferenceContext& ctx) {
    const Sides &x = ctx.shape(0), &indices = ctx.shape(1);
    const std::size_t axis = normalize_axis(ctx.integer("axis", 0), x.size());
    require(ctx.index_limit(1) <= x[axis], "its indices go beyond what is there");
    const Sides made = joined(joined(part_of(x, 0, axis), indices), part_of(x, axis + 1, x.size()));
    require(made.size() <= max_dimensions, "it makes too many dimensions");
    return {made};
}

inline Made gather_elements(InferenceContext& ctx) {
    const Sides &x = ctx.shape(0), &indices = ctx.shape(1);
    const std::size_t axis = normalize_axis(ctx.integer("axis", 0), x.size());
    require(ctx.index_limit(1) <= x[axis] && indices.size() == x.size(), "its indices go beyond what is there");
    for (std::size_t i = 0; i < x.size(); ++i) require(i == axis || indices[i] <= x[i], "their dimensions differ");
    return {indices};
}

inline Made cast(InferenceContext& ctx) {
    const std::int64_t to = ctx.integer("to", 0);
    const bool is_real = to == 1 || to == 10 || to == 11;
    require(is_real || (ctx.is_index() && (to == 6 || to == 7)), "it casts to a type without fractions");
    ctx.copy_constant();
    return {ctx.shape(0)};
}

inline const Operators tensor_operators = {
    {"Cast", {cast, {"to"}, {{"saturate", 1}}, {}, true}},
    {"Concat", {concat, {"axis"}}},
    {"Constant", {constant, {"value", "value_float", "value_floats", "value_int", "value_ints"}}},
    {"DepthToSpace", {depth_to_space, {"blocksize", "mode"}}},
    {"Expand", {expand, {}, {}, {1}}},
    {"Gather", {gather, {"axis"}, {}, {0, 1}}},
    {"GatherElements", {gather_elements, {"axis"}, {}, {0, 1}}},
    {"Identity", {unary, {}, {}, {}, true}},
    {"Pad", {pad, {"mode", "pads", "value"}, {}, {1, 3}}},
    {"Reshape", {reshape, {"allowzero", "shape"}, {}, {1}, true}},
    {"Resize",
     {resize,
      {"coordinate_transformation_mode", "cubic_coeff_a", "extrapolation_value", "mode", "nearest_mode"},
      {{"antialias", 0}, {"exclude_outside", 0}, {"keep_aspect_ratio_policy", 0, "stretch"}},
      {3}}},
    {"Slice", {slice, {"axes", "ends", "starts"}, {}, {1, 2, 3, 4}}},
    {"SpaceToDepth", {space_to_depth, {"blocksize"}}},
    {"Split", {split, {"axis", "num_outputs", "split"}, {}, {1}}},
    {"Squeeze", {squeeze, {"axes"}, {}, {1}, true}},
    {"Tile", {tile, {}, {}, {1}, true}},
    {"Transpose", {transpose, {"perm"}, {}, {}, true}},
    {"Unsqueeze", {unsqueeze, {"axes"}, {}, {1}, true}},
    {"Upsample", {resize, {"mode", "scales"}}},
    {"Where", {elementwise}},
};

}  // namespace detail

}  // namespace yolov5_dnn
