// SPDX-License-Identifier: Apache-2.0
// What the shape rule of an operator sees of a node, and what the rules have in common.

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
class InferenceError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

inline void require(bool condition, const std::string& reason) {
    if (!condition) throw InferenceError(reason);
}

// What one rule sees of a node: the shapes of its inputs, its attributes, its constants. Some values are indices: integers
// that are known to be at least 0, and below a limit.
class InferenceContext {
public:
    InferenceContext(const Node& its_node, const std::map<std::string, Sides>& shapes,
                     std::map<std::string, Tensor>& constants, std::map<std::string, std::int64_t>& index_limits)
        : node(its_node), shapes_(shapes), constants_(constants), index_limits_(index_limits) {}

    const Node& node;
    std::int64_t multiplications = 0;  // told by the rule

    bool has(std::size_t index) const { return index < node.inputs.size() && !node.inputs[index].empty(); }

    // Of an input that has to be there.
    const Sides& shape(std::size_t index) const {
        require(index < node.inputs.size(), "an input or output is missing");
        require(has(index), "input " + std::to_string(index) + " is left out");
        return shapes_.at(node.inputs[index]);
    }

    // The attribute of this name and kind, or nullptr if there is none.
    const Attribute* attribute(const std::string& name, Attribute::Kind kind, const std::string& what) const {
        const auto entry = node.attributes.find(name);
        if (entry == node.attributes.end()) return nullptr;
        require(entry->second.kind == kind, name + " is not a" + what);
        return &entry->second;
    }

    Sides integers(const std::string& name, const Sides& otherwise) const {
        const Attribute* const found = attribute(name, Attribute::Kind::integers, " list");
        return found ? found->integers : otherwise;
    }

    std::int64_t integer(const std::string& name, std::int64_t otherwise) const {
        const Attribute* const found = attribute(name, Attribute::Kind::integer, "n integer");
        return found ? found->integers.at(0) : otherwise;
    }

    std::string string(const std::string& name, const std::string& otherwise) const {
        const Attribute* const found = attribute(name, Attribute::Kind::text, " string");
        return found ? found->text : otherwise;
    }

    // The numbers of an input that has to stand in the file.
    const std::vector<double>& constant(std::size_t index) const {
        require(index < node.inputs.size(), "an input or output is missing");
        const auto entry = constants_.find(node.inputs[index]);
        require(entry != constants_.end() &&
                    static_cast<std::int64_t>(entry->second.values.size()) == count_of(entry->second.dims),
                "input " + std::to_string(index) + " is not a constant of few numbers");
        return entry->second.values;
    }

    // The same, of integers; those beyond 2^62 count as that.
    Sides integer_constant(std::size_t index) const {
        constexpr double most = 4611686018427387904.0;
        Sides values;
        for (const double value : constant(index)) {
            require(value == std::floor(value), "input " + std::to_string(index) + " is not of integers");
            values.push_back(static_cast<std::int64_t>(std::clamp(value, -most, most)));
        }
        return values;
    }

    // What older opsets have as an attribute, and later ones as an input; nothing if it is left out.
    std::optional<Sides> attribute_or_input(const std::string& name, std::size_t index) const {
        if (node.attributes.count(name)) return integers(name, {});
        if (has(index)) return integer_constant(index);
        return std::nullopt;
    }

    // Notes that the output is a constant.
    void set_constant(const Tensor& tensor) { constants_[node.outputs.at(0)] = tensor; }

    // Notes that the output is the constant that the first input is, if it is one.
    void copy_constant() {
        const auto entry = constants_.find(node.inputs.at(0));
        if (entry != constants_.end()) set_constant(Tensor(entry->second));
    }

    // Are the numbers of the first input indices that the network computes?
    bool is_index() const { return !node.inputs.empty() && index_limits_.count(node.inputs[0]); }

    // Below what the numbers of an input are; they have to be indices.
    std::int64_t index_limit(std::size_t index) const {
        require(index < node.inputs.size(), "an input or output is missing");
        if (constants_.count(node.inputs[index])) {
            const Sides values = integer_constant(index);
            require(!values.empty() && *std::min_element(values.begin(), values.end()) >= 0, "it has an index below 0");
            return *std::max_element(values.begin(), values.end()) + 1;
        }
        const auto limit = index_limits_.find(node.inputs[index]);
        require(limit != index_limits_.end(), "its indices are computed in an unknown way");
        return limit->second;
    }

    // Notes that the numbers of an output are indices below this limit.
    void set_index_limit(std::size_t output, std::int64_t limit) {
        if (output < node.outputs.size()) index_limits_[node.outputs[output]] = limit;
    }

    // The second input, one integer of at least 1.
    std::int64_t divisor() const {
        const Sides values = integer_constant(1);
        require(values.size() == 1 && values[0] >= 1 && values[0] <= max_dim,
                "its divisor is not one positive integer");
        return values[0];
    }

private:
    const std::map<std::string, Sides>& shapes_;
    std::map<std::string, Tensor>& constants_;
    std::map<std::string, std::int64_t>& index_limits_;
};

// The shapes of an operator's outputs, and what makes them of its operands. Throws InferenceError.
using Made = std::vector<Sides>;
using Rule = Made (*)(InferenceContext&);

// An attribute that OpenCV does not heed, and its value by ONNX, at which that is harmless: an integer, or a string.
struct Default {
    const char* name = "";
    std::int64_t integer = 0;
    const char* string = nullptr;
};

// All that is known here of one of ONNX's operators, of its versions in opsets 7 to 22: its shape rule; the names of the
// attributes that OpenCV heeds; the other ones; which inputs may be constants of integers: sizes, axes, indices, quantized
// weights; and whether its output's numbers are indices where those of its first input are.
struct Operator {
    Rule rule = nullptr;
    std::vector<const char*> attributes = {};
    std::vector<Default> defaults = {};
    std::vector<std::size_t> integers = {};
    bool keeps_index = false;
};

using Operators = std::map<std::string, Operator>;

// Counts an axis, which may be counted from the end, from the start. Throws InferenceError.
inline std::size_t normalize_axis(std::int64_t axis, std::size_t rank) {
    const auto n = static_cast<std::int64_t>(rank);
    require(-n <= axis && axis < n, "there is no axis " + std::to_string(axis));
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

// Axes counted from the start, each once.
inline std::set<std::size_t> normalize_axes(const Sides& axes, std::size_t rank) {
    std::set<std::size_t> found;
    for (const std::int64_t axis : axes) found.insert(normalize_axis(axis, rank));
    return found;
}

// The shape that two values broadcast to. Throws InferenceError.
inline Sides broadcast(Sides a, Sides b) {
    const std::size_t rank = std::max(a.size(), b.size());
    a.insert(a.begin(), rank - a.size(), 1);
    b.insert(b.begin(), rank - b.size(), 1);
    for (std::size_t i = 0; i < rank; ++i) {
        require(a[i] == b[i] || a[i] == 1 || b[i] == 1, "their shapes do not broadcast");
        if (a[i] == 1) a[i] = b[i];
    }
    return a;
}

inline Sides joined(Sides first, const Sides& rest) {
    first.insert(first.end(), rest.begin(), rest.end());
    return first;
}

// Of operators that take each number by itself: the shape stays.
inline Made unary(InferenceContext& ctx) { return {ctx.shape(0)}; }

// Of operators that take numbers of several values together, which broadcast to one shape.
inline Made elementwise(InferenceContext& ctx) {
    Sides shape = ctx.shape(0);
    for (std::size_t i = 1; i < ctx.node.inputs.size(); ++i) shape = broadcast(shape, ctx.shape(i));
    return {shape};
}

}  // namespace detail

}  // namespace yolov5_dnn
