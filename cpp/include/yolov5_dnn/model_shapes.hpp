// SPDX-License-Identifier: Apache-2.0
// How much a network computes and holds at an input size: the shapes of all its values, from its graph alone. One rule
// for each operator, from the shapes of its inputs to those of its outputs. A graph with any other operator or attribute
// is refused: OpenCV would take it for any layer or option of its own, from whatever framework.
// Operators: https://github.com/onnx/onnx/blob/v1.16.0/docs/Operators.md

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

#include "errors.hpp"
#include "model_graph.hpp"
#include "model_info.hpp"

namespace yolov5_dnn {

namespace detail {

constexpr std::int64_t max_alive = std::int64_t{1} << 30;  // numbers a forward pass may hold at one time: 4 GiB
constexpr std::int64_t max_work = 10000000000000;  // its multiplications; the largest YOLOv5 at 1280 has 4 · 10¹¹
constexpr std::int64_t max_dim = (std::int64_t{1} << 31) - 1;

// The inputs are not what the operator can take.
class Misfit : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

inline void need(bool condition, const std::string& reason) {
    if (!condition) throw Misfit(reason);
}

// What one rule sees of a node: the shapes of its inputs, its attributes, its constants.
class Operands {
public:
    Operands(const Node& its_node, const std::map<std::string, Sides>& shapes, std::map<std::string, Tensor>& constants)
        : node(its_node), shapes_(shapes), constants_(constants) {}

    const Node& node;
    std::int64_t work = 0;  // multiplications, told by the rule

    bool has(std::size_t index) const { return index < node.inputs.size() && !node.inputs[index].empty(); }

    // Of an input that has to be there.
    const Sides& shape(std::size_t index) const {
        need(index < node.inputs.size(), "an input or output is missing");
        need(has(index), "input " + std::to_string(index) + " is left out");
        return shapes_.at(node.inputs[index]);
    }

    // The attribute of this name and kind, or nullptr if there is none.
    const Attribute* attribute(const std::string& name, Attribute::Kind kind, const std::string& what) const {
        const auto entry = node.attributes.find(name);
        if (entry == node.attributes.end()) return nullptr;
        need(entry->second.kind == kind, name + " is not a " + what);
        return &entry->second;
    }

    Sides integers(const std::string& name, const Sides& otherwise) const {
        const Attribute* const found = attribute(name, Attribute::Kind::integers, "list");
        return found ? found->integers : otherwise;
    }

    std::int64_t integer(const std::string& name, std::int64_t otherwise) const {
        const Attribute* const found = attribute(name, Attribute::Kind::integer, "whole number");
        return found ? found->integers.at(0) : otherwise;
    }

    std::string text(const std::string& name, const std::string& otherwise) const {
        const Attribute* const found = attribute(name, Attribute::Kind::text, "text");
        return found ? found->text : otherwise;
    }

    // The numbers of an input that has to stand in the file.
    const std::vector<double>& constant(std::size_t index) const {
        need(index < node.inputs.size(), "an input or output is missing");
        const auto entry = constants_.find(node.inputs[index]);
        need(entry != constants_.end() &&
                 static_cast<std::int64_t>(entry->second.values.size()) == count_of(entry->second.dims),
             "input " + std::to_string(index) + " is not a constant of few numbers");
        return entry->second.values;
    }

    // The same, of whole numbers; those beyond 2^62 count as that.
    Sides whole_constant(std::size_t index) const {
        constexpr double most = 4611686018427387904.0;
        Sides values;
        for (const double value : constant(index)) {
            need(value == std::floor(value), "input " + std::to_string(index) + " is not of whole numbers");
            values.push_back(static_cast<std::int64_t>(std::clamp(value, -most, most)));
        }
        return values;
    }

    // What opsets up to 12 have as an attribute, and later ones as an input; nothing if it is left out.
    std::optional<Sides> listed(const std::string& name, std::size_t index) const {
        if (node.attributes.count(name)) return integers(name, {});
        if (has(index)) return whole_constant(index);
        return std::nullopt;
    }

    // Notes that the output is a constant.
    void remember(const Tensor& tensor) { constants_[node.outputs.at(0)] = tensor; }

private:
    const std::map<std::string, Sides>& shapes_;
    std::map<std::string, Tensor>& constants_;
};

using Made = std::vector<Sides>;

inline std::size_t axis_of(std::int64_t axis, std::size_t rank) {
    const auto n = static_cast<std::int64_t>(rank);
    need(-n <= axis && axis < n, "there is no axis " + std::to_string(axis));
    return static_cast<std::size_t>((axis + n) % n);
}

inline std::string text_of(const Sides& values) {
    std::string text;
    for (std::size_t i = 0; i < std::min<std::size_t>(values.size(), 8); ++i)
        text += (i ? ", " : "") + std::to_string(values[i]);
    return "[" + text + "]";
}

inline bool all_within(const Sides& values, std::int64_t least, std::int64_t most) {
    return std::all_of(values.begin(), values.end(), [&](std::int64_t v) { return least <= v && v <= most; });
}

inline Sides part_of(const Sides& sides, std::size_t first, std::size_t last) {
    return Sides(sides.begin() + static_cast<std::ptrdiff_t>(first), sides.begin() + static_cast<std::ptrdiff_t>(last));
}

// Every number by itself.
inline Made same(Operands& o) { return {o.shape(0)}; }

// The shape that two values spread to.
inline Sides wider(Sides a, Sides b) {
    const std::size_t rank = std::max(a.size(), b.size());
    a.insert(a.begin(), rank - a.size(), 1);
    b.insert(b.begin(), rank - b.size(), 1);
    for (std::size_t i = 0; i < rank; ++i) {
        need(a[i] == b[i] || a[i] == 1 || b[i] == 1, "their sides differ");
        if (a[i] == 1) a[i] = b[i];
    }
    return a;
}

inline Made broadcast(Operands& o) {
    Sides shape = o.shape(0);
    for (std::size_t i = 1; i < o.node.inputs.size(); ++i) shape = wider(shape, o.shape(i));
    return {shape};
}

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

inline Sides joined(Sides first, const Sides& rest) {
    first.insert(first.end(), rest.begin(), rest.end());
    return first;
}

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

// The places of axes, each once.
inline std::set<std::size_t> places(const Sides& axes, std::size_t rank) {
    std::set<std::size_t> found;
    for (const std::int64_t axis : axes) found.insert(axis_of(axis, rank));
    return found;
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

inline Made matmul(Operands& o) {
    const Sides &a = o.shape(0), &b = o.shape(1);
    need(a.size() >= 2 && b.size() >= 2 && a.back() == b[b.size() - 2], "rows and columns differ in length");
    const Sides outer = wider(part_of(a, 0, a.size() - 2), part_of(b, 0, b.size() - 2));
    const Sides made = joined(outer, {a[a.size() - 2], b.back()});
    o.work = product(count_of(made), a.back());
    return {made};
}

inline Made gemm(Operands& o) {
    Sides a = o.shape(0), b = o.shape(1);
    need(a.size() == 2 && b.size() == 2, "it needs two matrices");
    if (o.integer("transA", 0)) std::swap(a[0], a[1]);
    if (o.integer("transB", 0)) std::swap(b[0], b[1]);
    need(a[1] == b[0], "rows and columns differ in length");
    const Sides made{a[0], b[1]};
    need(!o.has(2) || wider(o.shape(2), made) == made, "its bias has another length");
    o.work = product(count_of(made), a[1]);
    return {made};
}

inline Made reduce(Operands& o) {
    const Sides& x = o.shape(0);
    const Sides axes = o.listed("axes", 1).value_or(Sides());
    const std::set<std::size_t> gone = places(axes, x.size());
    const bool keep = o.integer("keepdims", 1) != 0;
    Sides made;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const bool reduced = axes.empty() || gone.count(i);
        if (!reduced) made.push_back(x[i]);
        if (reduced && keep) made.push_back(1);
    }
    return {made};
}

inline Made along_axis(Operands& o) {
    const Sides& x = o.shape(0);
    const std::size_t axis = axis_of(o.integer("axis", -1), x.size());
    for (std::size_t i = 1; i < o.node.inputs.size(); ++i)
        need(o.shape(i) == part_of(x, axis, x.size()), "its numbers are not one a place");
    return {x};
}

// Normalisation with one number a channel.
inline Made by_channel(Operands& o) {
    const Sides& x = o.shape(0);
    need(x.size() >= 2, "its numbers are not one a channel");
    for (std::size_t i = 1; i < o.node.inputs.size(); ++i)
        need(o.shape(i) == Sides{x[1]}, "its numbers are not one a channel");
    return {x};
}

// To whole numbers and back, with one scale or one a channel.
inline Made quantize(Operands& o) {
    const Sides& x = o.shape(0);
    const std::size_t axis = x.size() > 1 ? axis_of(o.integer("axis", 1), x.size()) : 0;
    const Sides channel = axis < x.size() ? Sides{x[axis]} : Sides();
    for (std::size_t i = 1; i < std::max<std::size_t>(2, o.node.inputs.size()); ++i) {
        const Sides& shape = o.shape(i);
        need(shape.empty() || shape == Sides{1} || shape == channel,
             "its scale is neither one number nor one a channel");
    }
    return {x};
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

inline Made cast(Operands& o) {
    const std::int64_t to = o.integer("to", 0);
    need(to == 1 || to == 10 || to == 11, "it casts to a type without fractions");
    return {o.shape(0)};
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

using Rule = Made (*)(Operands&);

// The rule of an operator, or nullptr if it is unknown here.
inline Rule find_rule(const std::string& operator_name) {
    struct Entry {
        Rule rule;
        std::vector<std::string> operators;
    };
    static const std::vector<Entry> entries = {
        {same,
         {"Abs",   "Ceil",        "Celu",           "Clip",      "Cos",  "Elu",  "Erf",      "Exp",      "Floor",
          "Gelu",  "HardSigmoid", "HardSwish",      "LeakyRelu", "Log",  "Mish", "Neg",      "Not",      "Reciprocal",
          "Relu",  "Round",       "Selu",           "Sigmoid",   "Sign", "Sin",  "Softplus", "Softsign", "Sqrt",
          "Swish", "Tanh",        "ThresholdedRelu"}},
        {broadcast,
         {"Add", "And", "Div", "Equal", "Greater", "Less", "Max", "Mean", "Min", "Mul", "Or", "PRelu", "Pow", "Sub",
          "Sum", "Where"}},
        {along_axis, {"LayerNormalization", "LogSoftmax", "Softmax"}},
        {by_channel, {"BatchNormalization", "InstanceNormalization"}},
        {quantize, {"DequantizeLinear", "QuantizeLinear"}},
        {reduce, {"ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"}},
        {pool, {"AveragePool", "MaxPool"}},
        {global_pool, {"GlobalAveragePool", "GlobalMaxPool"}},
        {identity, {"Dropout", "Identity"}},
        {resize, {"Resize", "Upsample"}},
        {cast, {"Cast"}},
        {concat, {"Concat"}},
        {constant, {"Constant"}},
        {conv, {"Conv"}},
        {conv_transpose, {"ConvTranspose"}},
        {depth_to_space, {"DepthToSpace"}},
        {expand, {"Expand"}},
        {flatten, {"Flatten"}},
        {gemm, {"Gemm"}},
        {matmul, {"MatMul"}},
        {pad, {"Pad"}},
        {reshape, {"Reshape"}},
        {slice, {"Slice"}},
        {space_to_depth, {"SpaceToDepth"}},
        {split, {"Split"}},
        {squeeze, {"Squeeze"}},
        {tile, {"Tile"}},
        {transpose, {"Transpose"}},
        {unsqueeze, {"Unsqueeze"}},
    };
    for (const Entry& entry : entries)
        if (std::count(entry.operators.begin(), entry.operators.end(), operator_name)) return entry.rule;
    return nullptr;
}

// May the operator read constants of whole numbers: sizes, axes, quantized weights?
inline bool reads_whole_numbers(const std::string& operator_name) {
    static const std::set<std::string> operators = {
        "DequantizeLinear", "Expand",  "Pad",    "QuantizeLinear", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin",
        "ReduceSum",        "Reshape", "Resize", "Slice",          "Split",    "Squeeze",   "Tile",       "Unsqueeze",
        "Upsample"};
    return operators.count(operator_name) > 0;
}

// Is it one of ONNX's own attributes of the operators here?
inline bool is_attribute(const std::string& name) {
    static const std::set<std::string> attributes = {"allowzero",
                                                     "alpha",
                                                     "antialias",
                                                     "approximate",
                                                     "auto_pad",
                                                     "axes",
                                                     "axis",
                                                     "beta",
                                                     "blocksize",
                                                     "ceil_mode",
                                                     "coordinate_transformation_mode",
                                                     "count_include_pad",
                                                     "cubic_coeff_a",
                                                     "dilations",
                                                     "ends",
                                                     "epsilon",
                                                     "exclude_outside",
                                                     "extrapolation_value",
                                                     "gamma",
                                                     "group",
                                                     "keepdims",
                                                     "kernel_shape",
                                                     "max",
                                                     "min",
                                                     "mode",
                                                     "momentum",
                                                     "nearest_mode",
                                                     "noop_with_empty_axes",
                                                     "num_outputs",
                                                     "output_padding",
                                                     "pads",
                                                     "perm",
                                                     "ratio",
                                                     "scales",
                                                     "seed",
                                                     "shape",
                                                     "spatial",
                                                     "split",
                                                     "starts",
                                                     "steps",
                                                     "storage_order",
                                                     "strides",
                                                     "to",
                                                     "training_mode",
                                                     "transA",
                                                     "transB",
                                                     "value",
                                                     "value_float",
                                                     "value_floats",
                                                     "value_int",
                                                     "value_ints"};
    return attributes.count(name) > 0;
}

// The shapes of a node's inputs, for messages.
inline std::string inputs_of(const Node& node, const std::map<std::string, Sides>& shapes) {
    std::string text;
    for (std::size_t i = 0; i < std::min<std::size_t>(node.inputs.size(), 8); ++i) {
        if (node.inputs[i].empty()) continue;
        std::string sides;
        for (const std::int64_t side : shapes.at(node.inputs[i]))
            sides += (sides.empty() ? "" : "×") + std::to_string(side);
        text += (text.empty() ? "" : ", ") + (sides.empty() ? std::string("1") : sides);
    }
    return text;
}

// Checks what the network computes for an input of this shape (N, C, H, W). Gives the shapes of its outputs. Throws GraphError, which names the operator
// that does not fit, or the budget.
inline std::vector<Sides> check_size(const Graph& graph, const Sides& shape) {
    std::map<std::string, Sides> shapes;
    for (const auto& tensor : graph.tensors) shapes[tensor.first] = tensor.second.dims;
    if (graph.input_dims[1] != 0 && graph.input_dims[1] != shape[1])
        throw GraphError("its input has " + std::to_string(graph.input_dims[1]) + " channels, not " +
                         std::to_string(shape[1]));
    shapes[graph.input] = shape;
    std::map<std::string, std::size_t> last_use;
    for (std::size_t i = 0; i < graph.nodes.size(); ++i)
        for (const std::string& name : graph.nodes[i].inputs) last_use[name] = i;
    for (const std::string& name : graph.outputs) last_use[name] = graph.nodes.size();

    std::map<std::string, Tensor> constants = graph.tensors;
    std::int64_t alive = count_of(shape), work = 0;
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        const Node& node = graph.nodes[i];
        const Rule rule = find_rule(node.op_type);
        if (!rule)
            throw GraphError(node.title + " is of an operator that is unknown here" +
                             (node.op_type == "Shape" ? "; export it again with simplify and without dynamic" : "") +
                             (node.op_type == "TopK" ? "; export it again without NMS" : ""));
        for (const auto& attribute : node.attributes)
            if (!is_attribute(attribute.first))
                throw GraphError(node.title + " has the unknown attribute " + attribute.first);
        for (const std::string& name : node.inputs) {
            const auto tensor = constants.find(name);
            if (tensor != constants.end() && tensor->second.whole && !reads_whole_numbers(node.op_type))
                throw GraphError(node.title + " reads whole numbers, " + show(name) + ", where it needs others");
        }
        Operands operands(node, shapes, constants);
        Made made;
        try {
            made = rule(operands);
        } catch (const Misfit& misfit) {
            throw GraphError(node.title + " does not fit its inputs of " + inputs_of(node, shapes) + ": " +
                             misfit.what());
        }
        if (made.size() < node.outputs.size())
            throw GraphError(node.title + " has " + std::to_string(node.outputs.size()) + " outputs");
        work += operands.work;
        for (std::size_t k = 0; k < node.outputs.size(); ++k) {
            if (node.outputs[k].empty()) continue;
            if (count_of(made[k]) == 0 && node.op_type != "Constant")
                throw GraphError(node.title + " leaves nothing of its input");
            shapes[node.outputs[k]] = made[k];
            alive = std::min(alive + count_of(made[k]), max_alive + 1);
        }
        if (alive > max_alive || work > max_work)
            throw GraphError("for an input of " + std::to_string(shape[2]) + " × " + std::to_string(shape[3]) +
                             " it needs more than " + std::to_string(max_alive * 4 >> 30) +
                             " GiB of values or 1e+13 multiplications, from " + node.title + " on");
        std::set<std::string> names(node.inputs.begin(), node.inputs.end());
        names.insert(node.outputs.begin(), node.outputs.end());
        for (const std::string& name : names) {
            const auto use = last_use.find(name);
            if (!name.empty() && !graph.tensors.count(name) && (use == last_use.end() ? i : use->second) == i)
                alive -= count_of(shapes.at(name));
        }
    }
    std::vector<Sides> outputs;
    for (const std::string& name : graph.outputs) outputs.push_back(shapes.at(name));
    return outputs;
}

}  // namespace detail

}  // namespace yolov5_dnn
