// SPDX-License-Identifier: Apache-2.0
// What the rule of an operator sees of a node, and what the rules have in common.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "../graph.hpp"
#include "../tensors.hpp"

namespace yolov5_dnn {

namespace detail {

constexpr std::int64_t max_dim = (std::int64_t{1} << 31) - 1;  // of one side of a value

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

// The shapes of an operator's outputs, and what makes them of its operands. Throws Misfit.
using Made = std::vector<Sides>;
using Rule = Made (*)(Operands&);

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

// The places of axes, each once.
inline std::set<std::size_t> places(const Sides& axes, std::size_t rank) {
    std::set<std::size_t> found;
    for (const std::int64_t axis : axes) found.insert(axis_of(axis, rank));
    return found;
}

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

inline Sides joined(Sides first, const Sides& rest) {
    first.insert(first.end(), rest.begin(), rest.end());
    return first;
}

}  // namespace detail

}  // namespace yolov5_dnn
