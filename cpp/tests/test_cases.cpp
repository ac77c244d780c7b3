// SPDX-License-Identifier: Apache-2.0
// The golden cases of tests/cases, which Python and JavaScript read as well.

#include <doctest/doctest.h>
#include <yolov5_dnn.hpp>

#include "golden.hpp"
#include "tiny_model.hpp"

using namespace yolov5_dnn;
using golden::get;
using golden::Json;

TEST_CASE("SHA-256 is SHA-256") {
    CHECK(golden::sha256("", 0) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(golden::sha256("abc", 3) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const std::string text(1000, 'a');
    CHECK(golden::sha256(text.data(), text.size()) ==
          "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3");
}

TEST_CASE("golden letterbox") {
    const auto cases = golden::read("letterbox.json");
    REQUIRE(cases.size() > 10);
    for (const Json& each : cases) {
        CAPTURE(get(each, "name").string);
        std::array<cv::Mat, 2> buffers;
        cv::Mat canvas, blob;
        const cv::Mat image = to_bgr(golden::picture(get(each, "image")), buffers);
        const Json& multiple = get(each, "multiple");
        const Placement placement =
            letterbox(image, golden::size(get(each, "imgsz")),
                      multiple.type == Json::Type::null ? 0 : static_cast<int>(multiple.number), canvas);
        CHECK(canvas.size() == golden::size(get(get(each, "canvas"), "shape")));
        CHECK(golden::sha256(canvas) == get(get(each, "canvas"), "sha256").string);
        const Json& expected = get(each, "placement");
        CHECK(placement.scale == get(expected, "scale").number);
        CHECK(placement.pad_x == get(expected, "pad_x").number);
        CHECK(placement.pad_y == get(expected, "pad_y").number);
        to_blob(canvas, golden::integer(each, "fold"), blob);
        CHECK(Shape(blob.size.p, blob.size.p + blob.dims) == golden::numbers<int>(get(get(each, "blob"), "shape")));
        CHECK(golden::sha256(blob) == get(get(each, "blob"), "sha256").string);
        std::vector<cv::Vec4f> boxes;
        for (const cv::Vec4f& box : golden::boxes(get(each, "xyxy")))
            boxes.push_back(unletterbox(box, placement, image.size()));
        CHECK(boxes == golden::boxes(get(each, "unletterboxed")));
    }
}

TEST_CASE("golden decode") {
    const auto cases = golden::read("decode.json");
    REQUIRE(cases.size() > 10);
    std::size_t total = 0;
    Candidates found;
    for (const Json& each : cases) {
        CAPTURE(get(each, "name").string);
        std::vector<std::vector<float>> maps;
        for (const Json& head : get(each, "heads").items) maps.push_back(golden::numbers<float>(get(head, "data")));
        std::vector<Head> heads;
        for (std::size_t i = 0; i < maps.size(); ++i) {
            const auto shape = golden::numbers<int>(get(get(each, "heads").items[i], "shape"));
            heads.push_back({maps[i].data(), shape.at(0), shape.at(1), shape.at(2)});
        }
        const auto range = [&](const char* key) {
            const auto ends = golden::numbers<int>(get(get(each, "layout"), key));
            return cv::Range(ends.at(0), ends.at(1));
        };
        const auto run = [&] {
            decode(heads, golden::anchors(get(each, "anchors")), golden::numbers<int>(get(each, "strides")),
                   {range("classes"), range("extra")}, get(each, "conf_thres").number, get(each, "multi_label").boolean,
                   found);
        };
        if (golden::has(each, "error")) {
            CHECK_THROWS_AS(run(), ModelError);
            continue;
        }
        run();
        const Json& expected = get(each, "candidates");
        const auto scores = golden::numbers<float>(get(expected, "scores"));
        const auto xyxy = golden::boxes(get(expected, "xyxy"));
        REQUIRE(found.class_ids == golden::numbers<int>(get(expected, "class_ids")));
        for (std::size_t i = 0; i < scores.size(); ++i) {
            CHECK(std::abs(found.scores[i] - scores[i]) <= 1e-6F);
            CHECK(cv::norm(found.xyxy[i] - xyxy[i], cv::NORM_INF) <= 1e-3);
            const auto extra = golden::numbers<float>(get(expected, "extra").items[i]);
            REQUIRE(found.extra_width == extra.size());
            CHECK(std::equal(extra.begin(), extra.end(), found.extra.data() + i * extra.size()));
        }
        total += scores.size();
    }
    CHECK(total > 100);
}

TEST_CASE("golden nms") {
    const auto cases = golden::read("nms.json");
    REQUIRE(cases.size() > 10);
    for (const Json& each : cases) {
        CAPTURE(get(each, "name").string);
        Candidates candidates;
        candidates.xyxy = golden::boxes(get(each, "xyxy"));
        candidates.scores = golden::numbers<float>(get(each, "scores"));
        candidates.class_ids = golden::numbers<int>(get(each, "class_ids"));
        std::vector<int> kept;
        nms(candidates, get(each, "iou_thres").number, golden::integer(each, "max_det"), get(each, "agnostic").boolean,
            kept);
        CHECK(kept == golden::numbers<int>(get(each, "kept")));
    }
}

TEST_CASE("golden draw") {
    const auto colour = [](const Json& bgr) {
        const auto channels = golden::numbers<double>(bgr);
        return cv::Scalar(channels.at(0), channels.at(1), channels.at(2));
    };
    std::size_t pixels = 0;
    for (const Json& each : golden::read("draw.json")) {
        const std::string name = get(each, "name").string;
        CAPTURE(name);
        if (name == "class_colour") {
            const auto ids = golden::numbers<int>(get(each, "class_ids"));
            for (std::size_t i = 0; i < ids.size(); ++i)
                CHECK(class_colour(ids[i]) == colour(get(each, "colours").items.at(i)));
        } else if (name == "text_colour") {
            const auto& backgrounds = get(each, "backgrounds").items;
            for (std::size_t i = 0; i < backgrounds.size(); ++i) {
                const cv::Scalar letters = text_colour(colour(backgrounds[i]));
                for (int c = 0; c < 3; ++c) CHECK(letters[c] == colour(get(each, "colours").items.at(i))[c]);
            }
        } else if (name == "line_width and text_size") {
            const auto& sizes = get(each, "sizes").items;
            for (std::size_t i = 0; i < sizes.size(); ++i) {
                CHECK(line_width(golden::size(sizes[i])) == get(each, "line_widths").items.at(i).number);
                CHECK(text_size(golden::size(sizes[i])) == get(each, "text_sizes").items.at(i).number);
            }
        } else {
            const auto boxes = golden::boxes(get(each, "xyxy"));
            const auto scores = golden::numbers<float>(get(each, "scores"));
            const auto class_ids = golden::numbers<int>(get(each, "class_ids"));
            std::vector<Detection> detections;
            for (std::size_t i = 0; i < boxes.size(); ++i)
                detections.push_back(
                    {class_ids[i], scores[i],
                     cv::Rect2f(cv::Point2f(boxes[i][0], boxes[i][1]), cv::Point2f(boxes[i][2], boxes[i][3]))});
            const cv::Mat drawn =
                draw(golden::picture(get(each, "image")), detections, golden::texts(get(each, "names")));
            for (const Json& pixel : get(each, "pixels").items) {
                const auto p = golden::numbers<int>(pixel);
                CAPTURE(p.at(0));
                CAPTURE(p.at(1));
                CHECK(cv::Vec3i(drawn.at<cv::Vec3b>(p[1], p[0])) == cv::Vec3i(p.at(2), p.at(3), p.at(4)));
                ++pixels;
            }
        }
    }
    CHECK(pixels > 100);
}

TEST_CASE("golden model files") {
    const auto cases = golden::read("model_file.json");
    REQUIRE(cases.size() > 20);
    for (const Json& each : cases) {
        CAPTURE(get(each, "name").string);
        const tiny::File file(golden::base64(get(each, "file").string));
        std::string refusal;
        ModelFile model;
        ModelInfo info;
        try {
            model = read_model(file.path);
            info = read_info(model.metadata, file.path);
        } catch (const ModelError& error) {
            refusal = error.what();
        }
        CAPTURE(refusal);
        if (golden::has(each, "error")) {
            CHECK(refusal.find(get(each, "error").string) != std::string::npos);
            continue;
        }
        REQUIRE(refusal.empty());
        CHECK(golden::sha256(model.buffer.data(), model.buffer.size()) == get(each, "buffer_sha256").string);
        const Json& expected = get(each, "info");
        CHECK(info.names == golden::texts(get(expected, "names")));
        CHECK(info.strides == golden::numbers<int>(get(expected, "strides")));
        CHECK(info.anchors == golden::anchors(get(expected, "anchors")));
        CHECK(info.imgsz == golden::size(get(expected, "imgsz")));
        CHECK(info.task == get(expected, "task").string);
        CHECK(info.dynamic == get(expected, "dynamic").boolean);
        CHECK(info.fold == golden::integer(expected, "fold"));
        CHECK(info.size_multiple == golden::integer(expected, "size_multiple"));
        CHECK(info.producer == get(expected, "producer").string);
    }
}
