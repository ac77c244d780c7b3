// SPDX-License-Identifier: Apache-2.0
//
// Writes small ONNX files by hand, whose answers are known, so that the tests need no file and no Python.

#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace tiny {

// A protobuf message under construction: https://protobuf.dev/programming-guides/encoding
class Message {
public:
    Message& number(unsigned field, std::uint64_t value) {
        varint(field << 3);
        varint(value);
        return *this;
    }

    Message& bytes(unsigned field, const std::string& value) {
        varint(field << 3 | 2);
        varint(value.size());
        data_ += value;
        return *this;
    }

    Message& message(unsigned field, const Message& value) { return bytes(field, value.data_); }

    const std::string& data() const { return data_; }

private:
    void varint(std::uint64_t value) {
        for (; value >= 0x80; value >>= 7) data_ += static_cast<char>((value & 0x7F) | 0x80);
        data_ += static_cast<char>(value);
    }

    std::string data_;
};

// What a file looks like. Fields are those of https://github.com/onnx/onnx/blob/v1.16.0/onnx/onnx.proto
struct Model {
    int classes = 2;
    std::vector<int> strides = {8, 16};
    int fold = 1;              // the input holds squares of so many pixels as channels, as to_blob makes it
    bool swish = false;        // lets each head pass through a Swish node of a domain of its own first
    std::vector<float> extra;  // values that each anchor has everywhere, mask coefficients or keypoints,
    bool extra_first = false;  // before the classes or behind them
    bool proto = false;        // a prototype of stride 4, which is positive where it is red
    std::map<std::string, std::string> metadata = {
        {"names", R"(["red", "blue"])"}, {"strides", "[8, 16]"},  {"anchors", "[[[16, 12]], [[40, 20]]]"},
        {"imgsz", "[64, 64]"},           {"task", R"("detect")"}, {"dynamic", "true"},
    };
};

inline std::string floats(const std::vector<float>& values) {
    return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

inline Message tensor(const std::string& name, const std::vector<int>& dims, const std::vector<float>& values) {
    Message tensor;
    for (const int dim : dims) tensor.number(1, static_cast<std::uint64_t>(dim));
    return tensor.number(2, 1).bytes(8, name).bytes(9, floats(values));  // data_type FLOAT, raw_data
}

inline Message ints(const std::string& name, const std::vector<int>& values) {
    Message attribute;
    attribute.bytes(1, name);
    for (const int value : values) attribute.number(8, static_cast<std::uint64_t>(value));
    return attribute.number(20, 7);  // type INTS
}

inline Message node(const std::string& type, const std::vector<std::string>& inputs, const std::string& output) {
    Message node;
    for (const auto& input : inputs) node.bytes(1, input);
    return node.bytes(2, output).bytes(3, output + "_node").bytes(4, type);
}

inline Message value_info(const std::string& name, const std::vector<int>& dims) {
    Message shape;
    for (const int dim : dims) shape.message(1, Message().number(1, static_cast<std::uint64_t>(dim)));
    return Message().bytes(1, name).message(2, Message().message(1, Message().number(1, 1).message(2, shape)));
}

inline std::string file_of(const Message& graph, const std::map<std::string, std::string>& metadata) {
    Message file;
    file.number(1, 8).bytes(2, "tiny").bytes(3, "1").message(7, graph);
    file.message(8, Message().bytes(1, "").number(2, 12));
    for (const auto& entry : metadata) file.message(14, Message().bytes(1, entry.first).bytes(2, entry.second));
    return file.data();
}

// A network with one anchor per head. Each head is one convolution over the cells of its stride: objectness is high
// where a cell is red or blue but not grey, the class says which, and the box logits are 0: a box of the anchor's own size in the
// middle of its cell. With mean red r, green g and blue b of a cell, from 0 to 1:
//     objectness = 20 · (r + b − 2g) − 10      class 0 = 20 · (r − b)      class 1 = 20 · (b − r)
// Over Swish, x · sigmoid(x), they become those values of x · sigmoid(x).
inline std::string bytes(const Model& model = {}) {
    Message graph;
    std::vector<Message> outputs;
    const int extra = static_cast<int>(model.extra.size()), channels = 5 + model.classes + extra;
    const int first_class = model.extra_first ? 5 + extra : 5, first_extra = model.extra_first ? 5 : 5 + model.classes;
    for (std::size_t head = 0; head < model.strides.size(); ++head) {
        const int stride = model.strides[head], kernel = stride / model.fold, area = stride * stride;
        const std::string number = std::to_string(head), conv = model.swish ? "conv" + number : "out" + number;
        std::vector<float> weights, biases(static_cast<std::size_t>(channels), 0.0F);
        biases[4] = -10;
        std::copy(model.extra.begin(), model.extra.end(), biases.begin() + first_extra);
        for (int channel = 0; channel < channels; ++channel) {
            const bool one = channel == first_class, other = model.classes > 1 && channel == first_class + 1;
            const float red = channel == 4 || one ? 20.0F : other ? -20.0F : 0.0F;
            const float blue = channel == 4 || other ? 20.0F : one ? -20.0F : 0.0F;
            const float green = channel == 4 ? -40.0F : 0.0F;
            for (int pixel = 0; pixel < model.fold * model.fold; ++pixel)
                for (const float colour : {red, green, blue})
                    weights.insert(weights.end(), static_cast<std::size_t>(kernel * kernel),
                                   colour / static_cast<float>(area));
        }
        graph.message(1, node("Conv", {"images", "w" + number, "b" + number}, conv)
                             .message(5, ints("kernel_shape", {kernel, kernel}))
                             .message(5, ints("strides", {kernel, kernel})));
        if (model.swish) graph.message(1, node("Swish", {conv}, "out" + number).bytes(7, "yolov5_dnn"));
        graph.message(5, tensor("w" + number, {channels, 3 * model.fold * model.fold, kernel, kernel}, weights));
        graph.message(5, tensor("b" + number, {channels}, biases));
        outputs.push_back(value_info("out" + number, {1, channels, 64 / stride, 64 / stride}));
    }
    if (model.proto) {
        std::vector<float> weights(3 * 16, 0.0F);
        std::fill_n(weights.begin(), 16, 20.0F / 16);
        graph.message(1, node("Conv", {"images", "wp", "bp"}, "proto")
                             .message(5, ints("kernel_shape", {4, 4}))
                             .message(5, ints("strides", {4, 4})));
        graph.message(5, tensor("wp", {1, 3, 4, 4}, weights)).message(5, tensor("bp", {1}, {-10}));
        outputs.push_back(value_info("proto", {1, 1, 16, 16}));
    }
    graph.bytes(2, "tiny").message(
        11, value_info("images", {1, 3 * model.fold * model.fold, 64 / model.fold, 64 / model.fold}));
    for (const Message& output : outputs) graph.message(12, output);
    return file_of(graph, model.metadata);
}

// A classifier of three classes, red, green and blue, whose logits are ten times the mean of each colour.
inline std::string classifier_bytes(const std::map<std::string, std::string>& changes = {}) {
    Message graph;
    graph.message(1, node("GlobalAveragePool", {"images"}, "pooled"));
    graph.message(1, node("Conv", {"pooled", "w"}, "scaled").message(5, ints("kernel_shape", {1, 1})));
    graph.message(1, node("Flatten", {"scaled"}, "out0"));
    graph.message(5, tensor("w", {3, 3, 1, 1}, {10, 0, 0, 0, 10, 0, 0, 0, 10}));
    graph.bytes(2, "tiny").message(11, value_info("images", {1, 3, 64, 64}));
    graph.message(12, value_info("out0", {1, 3}));
    std::map<std::string, std::string> metadata = {
        {"task", R"("classify")"}, {"names", R"(["red", "green", "blue"])"},
        {"crop", R"("square")"},   {"mean", "[0, 0, 0]"},
        {"std", "[1, 1, 1]"},      {"imgsz", "[64, 64]"},
        {"size_multiple", "32"},   {"dynamic", "true"},
    };
    for (const auto& entry : changes) metadata[entry.first] = entry.second;
    return file_of(graph, metadata);
}

// A file in the temporary folder that is gone with this object.
class File {
public:
    explicit File(const std::string& content = bytes(), const std::string& name = "tiny.onnx")
        : path(std::filesystem::temp_directory_path() / unique(name)) {
        std::ofstream(path, std::ios::binary) << content;
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() {
        std::error_code ignored;
        std::filesystem::remove(path, ignored);
    }

    const std::filesystem::path path;

private:
    static std::filesystem::path unique(const std::string& name) {
        static int count = 0;
        static const auto start = std::filesystem::file_time_type::clock::now().time_since_epoch().count();
        return std::filesystem::u8path("yolov5_dnn_" + std::to_string(start) + "_" + std::to_string(count++) + "_" +
                                       name);
    }
};

}  // namespace tiny
