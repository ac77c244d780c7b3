// SPDX-License-Identifier: Apache-2.0
// Operators that arrange a value anew: join, cut, scale, repeat, turn its sides. They multiply nothing.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "../../tasks/model_info.hpp"
#include "context.hpp"

namespace yolov5_dnn {

namespace detail {

inline Made concat(Operands& o) {
    Sides made = o.shape(0);
    const std::size_t axis = axis_of(o.integer("axis", 1), made.size());
    for (std::size_t i = 1; i < o.node.inputs.size(); ++i) {
        Sides shape = o.shape(i);
        const std::int64_t more = axis < shape.size() ? shape[axis] : 0;
        if (axis < shape.size()) shape[axis] = made[axis];
        need(shape == made, "their sides differ");
        made[axis] += more;
    }
    return {made};
}

inline Made split(Operands& o) {
    const Sides& x = o.shape(0);
    const std::size_t axis = axis_of(o.integer("axis", 0), x.size());
    const auto count = static_cast<std::int64_t>(o.node.outputs.size());
    std::optional<Sides> parts = o.listed("split", 1);
    if (!parts) {
        const std::int64_t size = (x[axis] + count - 1) / count;
        parts = Sides();
        for (std::int64_t i = 0; i < count; ++i) parts->push_back(std::min(size, x[axis] - size * i));
    }
    need(static_cast<std::int64_t>(parts->size()) == count && all_within(*parts, 0, x[axis]),
         "its parts are not the whole");
    Made made(parts->size(), x);
    std::int64_t total = 0;
    for (std::size_t i = 0; i < made.size(); ++i) total += made[i][axis] = (*parts)[i];
    need(total == x[axis], "its parts are not the whole");
    return made;
}

// How many places a slice takes of a side, by Python's rules.
inline std::int64_t sliced(std::int64_t side, std::int64_t start, std::int64_t end, std::int64_t step) {
    const auto clamped = [&](std::int64_t at) {
        if (at < 0) at += side;
        return step > 0 ? std::clamp<std::int64_t>(at, 0, side) : std::clamp<std::int64_t>(at, -1, side - 1);
    };
    const std::int64_t first = clamped(start), last = clamped(end);
    const std::int64_t distance = step > 0 ? last - first : first - last, pace = step > 0 ? step : -step;
    return distance <= 0 ? 0 : (distance - 1) / pace + 1;
}

inline Made slice(Operands& o) {
    Sides made = o.shape(0);
    const Sides starts = o.listed("starts", 1).value_or(Sides()), ends = o.listed("ends", 2).value_or(Sides());
    Sides axes = o.listed("axes", 3).value_or(Sides()), steps = o.listed("steps", 4).value_or(Sides());
    if (axes.empty())
        for (std::size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
    if (steps.empty()) steps.assign(starts.size(), 1);
    need(starts.size() == ends.size() && axes.size() == starts.size() && steps.size() == starts.size() &&
             !std::count(steps.begin(), steps.end(), 0),
         "its lists differ in length");
    for (std::size_t i = 0; i < starts.size(); ++i) {
        const std::size_t axis = axis_of(axes[i], made.size());
        made[axis] = sliced(o.shape(0)[axis], starts[i], ends[i], steps[i]);
        need(made[axis] > 0, "it leaves nothing");
    }
    return {made};
}

inline std::int64_t scaled(std::int64_t side, double scale) {
    need(scale > 0 && scale <= max_side, "its scale is " + std::to_string(scale));
    return static_cast<std::int64_t>(std::floor(static_cast<double>(side) * scale));
}

inline Made resize(Operands& o) {
    const Sides& x = o.shape(0);
    const bool upsample = o.node.op_type == "Upsample" || o.node.inputs.size() == 2;
    Sides sides;
    if (o.has(3) && o.shape(3) != Sides{0}) {
        sides = o.whole_constant(3);
    } else {
        std::vector<double> scales;
        if (const Attribute* const listed = o.attribute("scales", Attribute::Kind::reals, "list of numbers"))
            scales.assign(listed->reals.begin(), listed->reals.end());
        else
            scales = o.constant(upsample ? 1 : 2);
        need(scales.size() == x.size(), "its scales are not one a side");
        for (std::size_t i = 0; i < x.size(); ++i) sides.push_back(scaled(x[i], scales[i]));
    }
    need(sides.size() == x.size() && all_within(sides, 1, max_dim), "its size is not one number a side");
    need(x.size() < 3 || (sides[0] == x[0] && sides[1] == x[1]), "it scales more than height and width");
    return {sides};
}

inline Made reshape(Operands& o) {
    const Sides& x = o.shape(0);
    Sides made = o.listed("shape", 1).value_or(Sides());
    need(made.size() <= max_dimensions && all_within(made, -1, max_dim), "its shape is unusable");
    need(!std::count(made.begin(), made.end(), 0) || o.integer("allowzero", 0) == 0, "its shape has a 0");
    std::int64_t known = 1, open = 0;
    for (std::size_t i = 0; i < made.size(); ++i) {
        if (made[i] == 0 && i < x.size()) made[i] = x[i];
        if (made[i] == -1)
            ++open;
        else
            known = product(known, made[i]);
    }
    if (open) {
        need(open == 1 && known > 0 && count_of(x) % known == 0, "its shape leaves a side open");
        *std::find(made.begin(), made.end(), -1) = count_of(x) / known;
    }
    need(count_of(made) == count_of(x), "its shape holds another number of values");
    return {made};
}

inline Made flatten(Operands& o) {
    const Sides& x = o.shape(0);
    const std::int64_t axis = o.integer("axis", 1), rank = static_cast<std::int64_t>(x.size());
    need(-rank <= axis && axis <= rank, "there is no axis " + std::to_string(axis));
    const auto middle = static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
    return {{count_of(part_of(x, 0, middle)), count_of(part_of(x, middle, x.size()))}};
}

inline Made transpose(Operands& o) {
    const Sides& x = o.shape(0);
    Sides straight;
    for (std::size_t i = 0; i < x.size(); ++i) straight.push_back(static_cast<std::int64_t>(i));
    const Sides order = o.integers("perm", Sides(straight.rbegin(), straight.rend()));
    need(order.size() == x.size() && std::is_permutation(order.begin(), order.end(), straight.begin()),
         "its perm is not an order of the sides");
    Sides made;
    for (const std::int64_t i : order) made.push_back(x[static_cast<std::size_t>(i)]);
    return {made};
}

inline Made squeeze(Operands& o) {
    const Sides& x = o.shape(0);
    const std::optional<Sides> axes = o.listed("axes", 1);
    const std::set<std::size_t> gone = places(axes.value_or(Sides()), x.size());
    Sides made;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const bool leaves = axes ? gone.count(i) > 0 : x[i] == 1;
        need(!leaves || x[i] == 1, "a side it leaves out is not 1");
        if (!leaves) made.push_back(x[i]);
    }
    return {made};
}

inline Made unsqueeze(Operands& o) {
    const Sides& x = o.shape(0);
    const Sides axes = o.listed("axes", 1).value_or(Sides());
    const std::size_t rank = x.size() + axes.size();
    const std::set<std::size_t> fresh = places(axes, rank);
    need(fresh.size() == axes.size() && rank <= max_dimensions, "its axes are unusable");
    Sides made;
    std::size_t next = 0;
    for (std::size_t i = 0; i < rank; ++i) made.push_back(fresh.count(i) ? 1 : x[next++]);
    return {made};
}

inline Made constant(Operands& o) {
    need(o.node.attributes.size() == 1, "it holds no tensor");
    const std::string& name = o.node.attributes.begin()->first;
    const Attribute& value = o.node.attributes.begin()->second;
    Tensor tensor;
    if (name == "value" && value.kind == Attribute::Kind::tensor) {
        tensor = value.tensor;
    } else {
        const bool many = value.kind == Attribute::Kind::integers || value.kind == Attribute::Kind::reals;
        need((name == "value_int" || name == "value_float" || name == "value_ints" || name == "value_floats") &&
                 (many || value.kind == Attribute::Kind::integer || value.kind == Attribute::Kind::real),
             "it holds no tensor");
        for (const std::int64_t v : value.integers) tensor.values.push_back(static_cast<double>(v));
        for (const float v : value.reals) tensor.values.push_back(v);
        if (many) tensor.dims = {static_cast<std::int64_t>(tensor.values.size())};
    }
    o.remember(tensor);
    return {tensor.dims};
}

inline Made identity(Operands& o) { return Made(o.node.outputs.size(), o.shape(0)); }  // Dropout's mask, too

inline Made pad(Operands& o) {
    const Sides& x = o.shape(0);
    const Sides pads = o.listed("pads", 1).value_or(Sides());
    need(pads.size() == 2 * x.size() && all_within(pads, -max_side, max_side), "its pads are not two a side");
    const bool repeats = o.text("mode", "constant") != "constant";
    Sides made;
    for (std::size_t i = 0; i < x.size(); ++i) {
        made.push_back(x[i] + pads[i] + pads[i + x.size()]);
        need(made.back() > 0, "its pads leave nothing");
    }
    for (std::size_t i = 0; i < pads.size(); ++i)
        need(!repeats || pads[i] < x[i % x.size()], "its pads are wider than what they repeat");
    return {made};
}

inline Made expand(Operands& o) {
    const Sides sides = o.whole_constant(1);
    need(sides.size() <= max_dimensions && all_within(sides, 1, max_dim), "its shape is unusable");
    return {wider(o.shape(0), sides)};
}

inline Made tile(Operands& o) {
    Sides made = o.shape(0);
    const Sides repeats = o.whole_constant(1);
    need(repeats.size() == made.size() && all_within(repeats, 1, max_dim), "its repeats are not one a side");
    for (std::size_t i = 0; i < made.size(); ++i) made[i] = product(made[i], repeats[i]);
    return {made};
}

inline Made space_to_depth(Operands& o) {
    const Sides& x = o.shape(0);
    const std::int64_t block = o.integer("blocksize", 0);
    need(x.size() == 4 && block >= 1 && block <= max_side && x[2] % block == 0 && x[3] % block == 0,
         "its blocks do not fit");
    return {{x[0], product(x[1], block * block), x[2] / block, x[3] / block}};
}

inline Made depth_to_space(Operands& o) {
    const Sides& x = o.shape(0);
    const std::int64_t block = o.integer("blocksize", 0);
    need(x.size() == 4 && block >= 1 && block <= max_side && x[1] % (block * block) == 0, "its blocks do not fit");
    return {{x[0], x[1] / (block * block), x[2] * block, x[3] * block}};
}

inline const std::map<std::string, Rule> arranging_rules = {
    {"Concat", concat},
    {"Constant", constant},
    {"DepthToSpace", depth_to_space},
    {"Dropout", identity},
    {"Expand", expand},
    {"Flatten", flatten},
    {"Identity", identity},
    {"Pad", pad},
    {"Reshape", reshape},
    {"Resize", resize},
    {"Slice", slice},
    {"SpaceToDepth", space_to_depth},
    {"Split", split},
    {"Squeeze", squeeze},
    {"Tile", tile},
    {"Transpose", transpose},
    {"Unsqueeze", unsqueeze},
    {"Upsample", resize},
};

}  // namespace detail

}  // namespace yolov5_dnn
