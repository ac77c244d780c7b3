// SPDX-License-Identifier: Apache-2.0
// Reading model files: what a good one says, and that no bad one gets further than a ModelError.

#include <doctest/doctest.h>
#include <yolov5_dnn.hpp>

#include <optional>
#include <random>

#include "tiny_model.hpp"

using namespace yolov5_dnn;

namespace {

ModelInfo info_of(const tiny::Model& model) {
    const tiny::File file(tiny::bytes(model));
    return read_info(read_model(file.path).metadata, file.path);
}

// The text of the ModelError that a file leads to; empty if it leads to none.
std::string refusal(const tiny::File& file) {
    try {
        read_info(read_model(file.path).metadata, file.path);
    } catch (const ModelError& error) {
        return error.what();
    }
    return "";
}

std::string refusal_with(const std::string& key, const std::string& value) {
    tiny::Model model;
    model.metadata[key] = value;
    return refusal(tiny::File(tiny::bytes(model)));
}

// Few weights, so that most of the file is structure.
tiny::Model small_model() {
    tiny::Model model;
    model.swish = true;
    model.strides = {2, 4};
    model.metadata["strides"] = "[2, 4]";
    return model;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a model file says what it is") {
    const ModelInfo info = info_of({});
    CHECK(info.names == std::vector<std::string>{"red", "blue"});
    CHECK(info.strides == std::vector<int>{8, 16});
    REQUIRE(info.anchors.size() == 2);
    CHECK(info.anchors[0] == Anchors{{16, 12}});
    CHECK(info.anchors[1] == Anchors{{40, 20}});
    CHECK(info.imgsz == cv::Size(64, 64));
    CHECK(info.dynamic);
    CHECK(info.fold == 1);
    CHECK(info.producer == "tiny 1");
}

TEST_CASE("a file is read once, and detectors share what was read") {
    std::optional<tiny::File> file(tiny::bytes());
    const ModelFile read = read_model(file->path);
    file.reset();  // it is gone
    Detector first(read), second(read, [] {
        Options options;
        options.imgsz = {128, 96};
        return options;
    }());
    CHECK(first.imgsz() == cv::Size(64, 64));
    CHECK(second.imgsz() == cv::Size(128, 96));
    CHECK(read.check_input({1, 3, 96, 128}).at(0) == detail::Sides{1, 7, 12, 16});
    CHECK_THROWS_AS(read.check_input({1, 4, 64, 64}), ModelError);
}

TEST_CASE("imgsz is height, width") {
    tiny::Model model;
    model.metadata["imgsz"] = "[384, 640]";
    CHECK(info_of(model).imgsz == cv::Size(640, 384));
}

TEST_CASE("names are JSON strings") {
    tiny::Model model;
    model.metadata["names"] = R"(["\u4eba \ud83d\ude00", "a\"\\\/\n", "人"])";
    CHECK(info_of(model).names == std::vector<std::string>{"人 😀", "a\"\\/\n", "人"});
}

TEST_CASE("anchors may stand in a row and be fractions") {
    tiny::Model model;
    model.metadata["anchors"] = "[[1.5, 2e1], [[3, 4], [5.25, 6]]]";
    const ModelInfo info = info_of(model);
    CHECK(info.anchors[0] == Anchors{{1.5F, 20}});
    CHECK(info.anchors[1] == Anchors{{3, 4}, {5.25F, 6}});
}

TEST_CASE("a Swish node loses its domain and nothing else changes") {
    tiny::Model model;
    model.swish = true;
    const std::string content = tiny::bytes(model);
    const tiny::File file(content);
    const ModelFile read = read_model(file.path);
    REQUIRE(read.buffer.size() == content.size());
    int changed = 0;
    for (std::size_t i = 0; i < content.size(); ++i) {
        if (read.buffer[i] == static_cast<unsigned char>(content[i])) continue;
        ++changed;
        CHECK(content.substr(i, 12) == "\x3A\x0Ayolov5_dnn");
        CHECK(read.buffer[i] == 0x7A);
    }
    CHECK(changed == 2);
    const std::vector<unsigned char> again = detail::as_in_the_file(read.buffer);
    CHECK(std::string(again.begin(), again.end()) == content);

    const std::string plain = tiny::bytes();
    const tiny::File plain_file(plain);
    const ModelFile plain_read = read_model(plain_file.path);
    CHECK(std::equal(plain.begin(), plain.end(), plain_read.buffer.begin(), plain_read.buffer.end(),
                     [](char a, unsigned char b) { return static_cast<unsigned char>(a) == b; }));
}

TEST_CASE("what is no model file is refused by name") {
    CHECK_THROWS_WITH_AS(read_model("nowhere/none.onnx"),
                         "there is no model file nowhere/none.onnx; convert its checkpoint with: "
                         "python -m convert CHECKPOINT.pt --output nowhere/none.onnx",
                         ModelError);
    CHECK_THROWS_AS(read_model(std::filesystem::temp_directory_path()), ModelError);
    CHECK(contains(refusal(tiny::File("")), "it holds no graph"));
    CHECK(contains(refusal(tiny::File("PK\x03\x04 and so on")), "is a PyTorch checkpoint"));
    CHECK(contains(refusal(tiny::File("\x80\x02 and so on")), "is a PyTorch checkpoint"));
    CHECK(contains(refusal(tiny::File("<html>404</html>")), "is not an ONNX model, or a damaged one"));
    CHECK(contains(refusal(tiny::File(std::string(11, '\xFF'))), "longer than ten bytes"));
    CHECK(contains(refusal(tiny::File(std::string("\x3A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11))),
                   "in the midst of the field"));
    CHECK(contains(refusal(tiny::File(std::string(2, '\0'))), "a field number is 0"));
}

TEST_CASE("names of files may be in any script") {
    const tiny::File file(tiny::bytes(), "模型 é.onnx");
    CHECK(read_model(file.path).metadata.count("names") == 1);
    const tiny::File damaged("", "模型 é.onnx");
    CHECK(contains(refusal(damaged), "模型 é.onnx"));
}

TEST_CASE("a model without metadata is refused with the way out, or takes options instead") {
    tiny::Model model;
    model.metadata.clear();
    const tiny::File file(tiny::bytes(model));
    CHECK(contains(refusal(file), "lacks the metadata names, anchors, strides; convert its checkpoint with"));
    ModelInfo given;
    given.names = {"a"};
    given.strides = {8};
    CHECK_THROWS_AS(read_info(read_model(file.path).metadata, file.path, given), ModelError);
    given.anchors = {{{1, 2}}};
    const ModelInfo info = read_info(read_model(file.path).metadata, file.path, given);
    CHECK(info.imgsz == cv::Size(640, 640));
    CHECK_FALSE(info.dynamic);
    given.anchors = {{{1, -1}}};
    CHECK_THROWS_AS(read_info(read_model(file.path).metadata, file.path, given), ModelError);
}

TEST_CASE("a file cut short anywhere is refused") {
    const std::string content = tiny::bytes(small_model());
    int accepted = 0;
    for (std::size_t length = 0; length < content.size(); ++length) {
        const tiny::File file(content.substr(0, length));
        // Cut between two fields, the file is a message, only one that lacks something. What may lack is the last of
        // its metadata, which are in alphabetic order: `task`, one that has a default.
        if (refusal(file).empty()) ++accepted;
    }
    CHECK(accepted <= 1);
}

TEST_CASE("metadata that is not JSON is refused by its key") {
    // One a line would fill two screens.
    // clang-format off
    for (const char* const text :
         {"", " ", "[", "]", "[1,", "[1,]", "[,1]", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "'a'", "\"a",
          "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u123g\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\x01\"",
          "\"\xC0\x80\"", "\"\xED\xA0\x80\"", "\"\xF5\x80\x80\x80\"", "\"\xE4\xBA\"", "tru", "nul", "NaN", "Infinity",
          "-", "+1", "01", "1.", ".5", "1e", "1e+", "0x10", "1e999", "[1] 2", "[1]]", "\xEF\xBB\xBF[]"}) {
        // clang-format on
        CAPTURE(text);
        CHECK(contains(refusal_with("names", text), "has damaged metadata: names is not JSON"));
    }
    CHECK(contains(refusal_with("names", std::string("[\"a\0b\"]", 7)), "names is not JSON"));
    const std::string deep(100000, '[');
    CHECK(contains(refusal_with("strides", deep), "strides is not JSON"));
    std::string deeper;
    for (int i = 0; i < 100000; ++i) deeper += "{\"a\":";
    CHECK(contains(refusal_with("imgsz", deeper), "imgsz is not JSON"));
}

TEST_CASE("metadata with wrong values is refused by name") {
    CHECK(contains(refusal_with("names", "[]"), "names must be a list of strings"));
    CHECK(contains(refusal_with("names", "[1]"), "names must be a list of strings"));
    CHECK(contains(refusal_with("names", "\"red\""), "names must be a list"));
    CHECK(contains(refusal_with("names", "{\"0\": \"red\", \"1\": \"blue\"}"), "names must be a list"));
    for (const char* const strides : {"[]", "[8]", "[8, 16, 32]", "[8, 0]", "[8, -16]", "[8, 16.5]", "[8, 1e9]",
                                      "[8, \"16\"]", "[8, null]", "{\"a\": 8, \"b\": 16}", "8"}) {
        CAPTURE(strides);
        CHECK(contains(refusal_with("strides", strides), "has unusable metadata: "));
    }
    for (const char* const anchors :
         {"[]", "[[], []]", "[[16, 12, 1], [[40, 20]]]", "[[[16, -1]], [[40, 20]]]", "[[[16, 1e300]], [[40, 20]]]",
          "[[null], [[40, 20]]]", "[[[[16, 12]]], [[40, 20]]]", "[16, 12]", "\"16,12\"", "{}"}) {
        CAPTURE(anchors);
        CHECK(contains(refusal_with("anchors", anchors), "has unusable metadata: "));
    }
    for (const char* const imgsz :
         {"64", "[64]", "[64, 64, 64]", "[64, 60]", "[0, 64]", "[64, 81920]", "[\"64\", 64]"}) {
        CAPTURE(imgsz);
        CHECK(contains(refusal_with("imgsz", imgsz), "has unusable metadata: "));
    }
    CHECK(contains(refusal_with("task", "\"levitate\""),
                   "the task is 'levitate', and only 'detect' or 'segment' or 'keypoints' or 'classify' is supported"));
    for (const char* const multiple : {"0", "-32", "24", "1.5", "\"32\"", "null", "128"}) {
        CAPTURE(multiple);
        CHECK(contains(refusal_with("size_multiple", multiple), "size_multiple"));
    }
    CHECK(contains(refusal_with("task", "1"), "has unusable metadata: "));
    CHECK(contains(refusal_with("dynamic", "1"), "dynamic must be true or false"));
    CHECK(contains(refusal_with("fold", "0"), "fold must be whole numbers"));
    CHECK(contains(refusal_with("fold", "3"), "fold 3 does not divide the stride 8"));
}

TEST_CASE("bytes changed at random never lead further than a ModelError") {
    const std::string content = tiny::bytes(small_model());
    std::mt19937 random(1);
    int survivors = 0;
    for (int round = 0; round < 3000; ++round) {
        std::string damaged = content;
        for (int changes = 1 + static_cast<int>(random() % 4); changes > 0; --changes) {
            const std::size_t at = random() % damaged.size();
            switch (random() % 4) {
                case 0: damaged[at] = static_cast<char>(random()); break;
                case 1: damaged[at] = static_cast<char>(damaged[at] ^ (1 << random() % 8)); break;
                case 2: damaged.erase(at, 1 + random() % 9); break;
                default: damaged.insert(at, std::string(1 + random() % 9, static_cast<char>(random()))); break;
            }
            if (damaged.empty()) break;
        }
        ModelFile file;
        file.buffer.assign(damaged.begin(), damaged.end());
        try {
            detail::walk_model(file);
            read_info(file.metadata, "damaged.onnx");
            ++survivors;
        } catch (const ModelError&) {
        } catch (const detail::Invalid&) {
        }
    }
    CHECK(survivors > 0);  // or the changes were so crude that nothing past the first check was ever tried
    CHECK(survivors < 3000);
}
