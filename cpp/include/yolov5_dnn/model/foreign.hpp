// SPDX-License-Identifier: Apache-2.0
// Model files of other exporters, told in this house's own metadata. `export.py` of YOLOv5 and the `ultralytics` package
// write networks that decode their boxes themselves, to pixels of the input; the shape of their one output tells how:
//
//     yolov5   (1, na · cells, 5 + nc): centre x, centre y, width, height, objectness, classes
//     yolov8   (1, 4 + nc, cells): centre x, centre y, width, height, classes
//     end-to-end  (1, n, 6): x1, y1, x2, y2, score, class id; what NMS leaves, or a network that needs none
//
// where cells = Σ H/s · W/s over the strides s, and scores are probabilities. Their metadata's values are what Python's
// `str` makes of them: `names` "{0: 'person', 1: 'bicycle'}", `stride` "32", `task` "detect".

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tensors.hpp"
#include "../unicode.hpp"
#include "../escape.hpp"

namespace yolov5_dnn {

namespace detail {

constexpr std::size_t max_classes = 10000;

// A model of another kind than can be run; the text, which follows the file's name, says what it is.
class ExportError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Reads the names of the classes: a Python literal, a dict by class id or a list, of strings alone.
class NamesReader {
public:
    // Throws ExportError for anything else.
    static std::vector<std::string> read(const std::string& text) { return NamesReader(text).names(); }

private:
    explicit NamesReader(const std::string& text) : text_(text) {}

    [[noreturn]] void fail() const {
        throw ExportError("has names in its metadata that break at '" + escape(text_.substr(at_), 40) + "'");
    }

    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    void space() {
        while (peek() == ' ' || peek() == '\n' || peek() == '\t' || peek() == '\r') ++at_;
    }

    bool take(char wanted) {
        space();
        if (peek() != wanted || at_ >= text_.size()) return false;
        ++at_;
        return true;
    }

    std::vector<std::string> names() {
        const bool dict = take('{');
        if (!dict && !take('['))
            throw ExportError("has names in its metadata that are no dict or list: '" + escape(text_, 60) + "'");
        const char end = dict ? '}' : ']';
        std::map<std::size_t, std::string> found;
        while (!take(end)) {
            std::size_t number = found.size();
            if (dict) {
                number = whole();
                if (!take(':')) fail();
            }
            found[number] = string();
            if (found.size() > max_classes)
                throw ExportError("has more than " + std::to_string(max_classes) + " names in its metadata");
            if (take(end)) break;
            if (!take(',')) fail();
        }
        space();
        if (at_ != text_.size()) fail();
        std::vector<std::string> names;
        for (const auto& [number, name] : found) {
            if (number != names.size()) break;
            names.push_back(name);
        }
        if (names.empty() || names.size() != found.size())
            throw ExportError("has class names in its metadata that are not numbered 0, 1, 2, …");
        return names;
    }

    std::size_t whole() {
        space();
        std::size_t value = 0, digits = 0;
        for (; peek() >= '0' && peek() <= '9'; ++at_, ++digits)
            value = 10 * value + static_cast<std::size_t>(peek() - '0');
        if (digits == 0 || digits > 9) fail();
        return value;
    }

    std::string string() {
        space();
        const char quote = peek();
        if (quote != '\'' && quote != '"') fail();
        ++at_;
        std::string value;
        while (peek() != quote) {
            if (at_ >= text_.size()) fail();
            const char letter = text_[at_++];
            if (letter != '\\') {
                value += letter;
                continue;
            }
            if (at_ >= text_.size()) fail();
            value += unescape(text_[at_++]);
        }
        ++at_;
        return value;
    }

    std::string unescape(char letter) {
        if (letter == 'n') return "\n";
        if (letter == 'r') return "\r";
        if (letter == 't') return "\t";
        const std::size_t digits = letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
        const std::string hexadecimal = text_.substr(at_, digits);
        const bool is_code = digits && hexadecimal.size() == digits &&
                             hexadecimal.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
        if (!is_code) return std::string(1, letter);
        at_ += digits;
        const std::uint64_t code = std::stoull(hexadecimal, nullptr, 16);
        const bool is_character = code < 0x110000 && (code < 0xD800 || code >= 0xE000);
        std::string character;
        append_utf8(character, is_character ? static_cast<unsigned>(code) : 0xFFFD);
        return character;
    }

    const std::string& text_;
    std::size_t at_ = 0;
};

inline std::string json_names(const std::vector<std::string>& names) {
    std::string json;
    for (const std::string& name : names) {
        json += json.empty() ? "[\"" : ", \"";
        for (const char c : name) {
            constexpr const char* digits = "0123456789abcdef";
            if (c == '"' || c == '\\') json += '\\';
            if (static_cast<unsigned char>(c) >= 0x20) {
                json += c;
            } else {
                json += std::string("\\u00") + digits[c >> 4] + digits[c & 15];
            }
        }
        json += '"';
    }
    return json + "]";
}

// What an operator that OpenCV cannot run says of its file, and the way out; empty of others.
inline std::string unsupported(const std::string& op) {
    static const std::map<std::string, const char*> reasons = [] {
        std::map<std::string, const char*> all = {{"Shape", "export it again with simplify and without dynamic"}};
        for (const char* const each :
             {"NonMaxSuppression", "EfficientNMS_TRT", "BatchedNMS_TRT", "BatchedNMSDynamic_TRT", "RoiAlign"})
            all[each] = "it has NMS inside, which OpenCV does not run; export it again without NMS";
        for (const char* const each : {"DynamicQuantizeLinear", "ConvInteger", "MatMulInteger", "DynamicQuantizeLSTM"})
            all[each] =
                "it is quantized dynamically, which OpenCV does not run; take the float32 file that it was made of";
        for (const char* const each : {"QLinearConv", "QLinearMatMul", "QLinearAdd"})
            all[each] = "it is quantized in operators of integers (QOperator); quantize it in the format QDQ";
        return all;
    }();
    const auto found = reasons.find(op);
    return found == reasons.end() ? "" : std::string("; ") + found->second;
}

inline std::string what_it_is(const std::vector<Sides>& outputs) {
    std::string shapes;
    bool five = false;
    for (std::size_t i = 0; i < outputs.size() && i < 5; ++i) {
        std::string shape;
        for (const std::int64_t side : outputs[i]) shape += (shape.empty() ? "" : ", ") + std::to_string(side);
        shapes += (shapes.empty() ? "(" : " and (") + shape + ")";
    }
    for (const Sides& sides : outputs) five = five || sides.size() == 5;
    std::string kind = "no detector that is known here";
    if (five) kind = "a YOLOv5 whose head maps are of another order, as export.py up to v6.1 and --train give them";
    if (outputs[0].size() == 3 && outputs.size() > 1 && outputs[1].size() == 4)
        kind = "a segmentation network of another exporter";
    if (outputs[0].size() == 2) kind = "a classifier of another exporter";
    return "is " + kind + ": its outputs are " + shapes;
}

// Whether so many columns could be DOTA's 15 to 18 classes, or the like, and 180 for the angle. Their names are then not
// made up: only who knows them knows that all the columns are classes.
inline bool could_be_oriented(std::int64_t columns) { return columns > 180 && columns <= 200; }

// Checks that there are as many columns of classes as names, if there are names. Throws ExportError.
inline std::int64_t check_classes(std::int64_t columns, std::int64_t names, bool rows) {
    const std::string start = "has " + std::to_string(columns) + " columns for classes";
    if (names == 0 || columns == names) return columns;
    const std::int64_t more = columns - names;
    std::string known;
    if (more == 32) known = "an export for segmentation, with 32 mask coefficients";
    if (rows && more == 180) known = "a network for oriented boxes (yolov5_obb)";
    if (rows && more == 10) known = "yolov5-face, with 5 points";
    if (!rows && more == 1) known = "an export for oriented boxes, with their angle";
    if (!rows && more > 0 && more % 3 == 0)
        known = "an export for poses, with " + std::to_string(more / 3) + " keypoints";
    throw ExportError(start + ", and " + std::to_string(names) + " names" +
                      (known.empty() ? "" : ": it seems to be " + known));
}

// The layout, and how many classes there are; 0 where the shape doesn't tell. Throws ExportError.
inline std::pair<std::string, std::int64_t> layout_of(const std::vector<Sides>& outputs, std::int64_t names,
                                                      std::int64_t height, std::int64_t width) {
    if (outputs.size() == 1 && outputs[0].size() == 3) {
        const std::int64_t a = outputs[0][1], b = outputs[0][2];
        if (outputs[0][0] != 1)
            throw ExportError("takes " + std::to_string(outputs[0][0]) + " images at once; export it again for one");
        // How many cells the heads have together: of P4, P5 and P6 networks, and of rarer ones, too.
        const auto sum = [&](std::initializer_list<std::int64_t> strides) {
            std::int64_t total = 0;
            for (const std::int64_t stride : strides) total += (height / stride) * (width / stride);
            return total;
        };
        const std::set<std::int64_t> usual = {sum({8, 16}), sum({8, 16, 32}), sum({8, 16, 32, 64})};
        std::set<std::int64_t> cells = usual;
        for (const std::int64_t count : {sum({4, 8, 16, 32}), sum({4, 8, 16, 32, 64}), sum({16, 32})})
            cells.insert(count);
        // Few rows could also be an end-to-end network's.
        const bool many = a > 1000 && std::any_of(cells.begin(), cells.end(), [&](std::int64_t count) {
                              return count > 0 && a % count == 0 && a / count >= 2 && a / count <= 9;
                          });
        if (b > 5 && ((a % 3 == 0 && usual.count(a / 3)) || many)) return {"yolov5", check_classes(b - 5, names, true)};
        if (b > 5 && b - 5 == names && a > 1000) return {"yolov5", b - 5};
        if (b > 5 && a > 1000 && cells.count(a))
            throw ExportError("gives " + std::to_string(b) +
                              " numbers for each cell, as YOLOX does, whose boxes are of another kind; of other "
                              "families' networks only those of YOLOv5 and of ultralytics are run");
        if (a > 4 && (usual.count(b) || (b > 1000 && cells.count(b)) || a - 4 == names))
            return {"yolov8", check_classes(a - 4, names, false)};
        if (b == 6) return {"end-to-end", 0};
        if (b > 5 && b - 5 == names) return {"yolov5", b - 5};
    }
    throw ExportError(what_it_is(outputs));
}

// Gives a file's metadata as this house writes it; as it is, unless another exporter wrote the file. `input` is the shape
// of the input, `outputs` are those of the outputs then, `input_scale` is 255 if the network takes pixels from 0 to 255.
// Throws ExportError for a model that is neither of this project nor one of those above.
inline std::map<std::string, std::string> own_metadata(const std::map<std::string, std::string>& metadata,
                                                       const Sides& input, bool dynamic,
                                                       const std::vector<Sides>& outputs, int input_scale) {
    bool own = true;
    for (const Sides& sides : outputs) own = own && sides.size() == 4;
    for (const char* const key : {"strides", "anchors", "reg_max", "masks", "keypoints", "crop", "decoded"})
        own = own || metadata.count(key);
    if (own) return metadata;
    const auto text = [&](const char* key, const char* otherwise) {
        const auto entry = metadata.find(key);
        return entry == metadata.end() ? std::string(otherwise) : entry->second;
    };
    if (text("task", "detect") != "detect")
        throw ExportError("is an export for the task '" + escape(text("task", ""), 40) +
                          "', and of exports only detectors are run");
    std::vector<std::string> names;
    if (metadata.count("names")) names = NamesReader::read(metadata.at("names"));
    const auto [layout, classes] = layout_of(outputs, static_cast<std::int64_t>(names.size()), input[2], input[3]);
    if (names.empty() && !(layout == "yolov5" && could_be_oriented(classes)))
        for (std::int64_t number = 0; number < classes; ++number) names.push_back("class" + std::to_string(number));
    const std::string stride = text("stride", "32");
    if (stride.empty() || stride.size() > 4 || stride[0] == '0' ||
        stride.find_first_not_of("0123456789") != std::string::npos)
        throw ExportError("has a stride '" + escape(stride, 40) + "' in its metadata");
    std::map<std::string, std::string> own_values = {
        {"producer", text("producer", "")},
        {"task", "\"detect\""},
        {"decoded", "\"" + layout + "\""},
        {"imgsz", "[" + std::to_string(input[2]) + ", " + std::to_string(input[3]) + "]"},
        {"size_multiple", stride},
        {"dynamic", dynamic ? "true" : "false"}};
    if (!names.empty()) own_values["names"] = json_names(names);  // there are none where the shape doesn't tell
    if (input_scale != 1) own_values["input_scale"] = std::to_string(input_scale);
    return own_values;
}

}  // namespace detail

}  // namespace yolov5_dnn
