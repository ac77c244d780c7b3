// SPDX-License-Identifier: Apache-2.0
// Tiles: the golden cases, and a detector that looks at them.

#include <doctest/doctest.h>
#include <yolov5_dnn.hpp>

#if CV_VERSION_MAJOR >= 5
#include <opencv2/geometry.hpp>  // boundingRect, which was part of imgproc
#endif

#include "golden.hpp"
#include "tiny_model.hpp"

using namespace yolov5_dnn;
using golden::get;
using golden::Json;

namespace {

Window window_of(const Json& edges) {
    const auto numbers = golden::numbers<int>(edges);
    return {numbers.at(0), numbers.at(1), numbers.at(2), numbers.at(3)};
}

// A mask of rectangles x1 y1 x2 y2.
cv::Mat rectangles(const std::vector<Json>& list, cv::Size image) {
    cv::Mat pixels = cv::Mat::zeros(image, CV_8U);
    for (const Json& each : list) {
        const Window edges = window_of(each);
        pixels(cv::Range(edges.top, edges.bottom), cv::Range(edges.left, edges.right)).setTo(255);
    }
    return pixels;
}

std::vector<Detection> found_in(const Window& window, const Json& part) {
    const cv::Size size(window.right - window.left, window.bottom - window.top);
    const auto xyxy = golden::boxes(get(part, "xyxy"));
    const auto scores = golden::numbers<float>(get(part, "scores"));
    const auto class_ids = golden::numbers<int>(get(part, "class_ids"));
    std::vector<Detection> found;
    for (std::size_t i = 0; i < scores.size(); ++i) {
        const cv::Vec4f& box = xyxy[i];
        found.push_back({class_ids[i], scores[i], {box[0], box[1], box[2] - box[0], box[3] - box[1]}});
        if (golden::has(part, "masks"))
            found[i].mask = {{{0, 0}, rectangles({get(part, "masks").items[i]}, size)}, {}, size};
        if (!golden::has(part, "keypoints")) continue;
        for (const Json& point : get(part, "keypoints").items[i].items)
            found[i].keypoints.emplace_back(golden::numbers<float>(point).at(0), golden::numbers<float>(point).at(1));
    }
    return found;
}

}  // namespace

TEST_CASE("golden tiles") {
    const auto cases = golden::read("tiles.json");
    REQUIRE(cases.size() > 30);
    std::size_t laid = 0, merged_boxes = 0;
    for (const Json& each : cases) {
        CAPTURE(get(each, "name").string);
        const cv::Size image = golden::size(get(each, "image_hw"));
        std::vector<Window> windows;
        for (const Json& edges : get(each, "windows").items) windows.push_back(window_of(edges));
        if (golden::has(each, "side")) {
            const auto tiles = tile_windows(image, golden::integer(each, "side"));
            REQUIRE(tiles.size() == windows.size());
            for (std::size_t i = 0; i < tiles.size(); ++i) {
                CHECK(tiles[i].left == windows[i].left);
                CHECK(tiles[i].top == windows[i].top);
                CHECK(tiles[i].right == windows[i].right);
                CHECK(tiles[i].bottom == windows[i].bottom);
            }
            laid += tiles.size();
            continue;
        }
        std::vector<std::vector<Detection>> parts;
        for (std::size_t i = 0; i < windows.size(); ++i)
            parts.push_back(found_in(windows[i], get(each, "parts").items.at(i)));
        const auto merged = merge_windows(parts, windows, image, get(each, "iou_thres").number,
                                          golden::integer(each, "max_det"), get(each, "agnostic").boolean);
        const Json& answer = get(each, "merged");
        const auto xyxy = golden::boxes(get(answer, "xyxy"));
        const auto scores = golden::numbers<float>(get(answer, "scores"));
        REQUIRE(merged.size() == scores.size());
        for (std::size_t i = 0; i < merged.size(); ++i) {
            const Detection& one = merged[i];
            CHECK(one.class_id == golden::numbers<int>(get(answer, "class_ids"))[i]);
            CHECK(one.score == scores[i]);
            CHECK(cv::norm(cv::Vec4f(one.box.x, one.box.y, one.box.br().x, one.box.br().y) - xyxy[i], cv::NORM_INF) <=
                  1e-3);
            REQUIRE(one.mask.empty() != golden::has(answer, "masks"));
            if (!one.mask.empty())
                CHECK(cv::countNonZero(one.mask.pixels() !=
                                       rectangles(get(answer, "masks").items.at(i).items, image)) == 0);
            REQUIRE(one.keypoints.empty() != golden::has(answer, "keypoints"));
            for (std::size_t k = 0; k < one.keypoints.size(); ++k) {
                const auto point = golden::numbers<float>(get(answer, "keypoints").items.at(i).items.at(k));
                CHECK(one.keypoints[k] == cv::Point2f(point.at(0), point.at(1)));
            }
        }
        merged_boxes += merged.size();
    }
    CHECK(laid > 50);
    CHECK(merged_boxes > 50);
}

TEST_CASE("parts are as many as windows") {
    CHECK_THROWS_AS(merge_windows({{}, {}}, {{0, 0, 64, 64}}, {64, 64}, 0.45, 10), InputError);
}

TEST_CASE("a detector finds in tiles what is lost in the whole") {
    const tiny::File file;
    Options options;
    options.tiles = 64;
    Detector whole(file.path), tiled(file.path, options);
    cv::Mat image(256, 256, CV_8UC4, cv::Scalar::all(0));  // BGRA: tiles are cut from what it is converted to
    for (const cv::Point corner : {cv::Point(16, 8), cv::Point(40, 200), cv::Point(232, 120)})
        image(cv::Rect(corner, cv::Size(8, 8))).setTo(cv::Scalar(0, 0, 255));
    CHECK(whole.detect(image).empty());
    Timings timings;
    const auto found = tiled.detect(image, &timings);
    REQUIRE(found.size() == 3);
    for (const Detection& one : found) CHECK(one.class_id == 0);
    CHECK(timings.letterbox > 0);
    CHECK(timings.nms > 0);
    CHECK(tiled.detect(std::vector<cv::Mat>{image, image}).at(1).size() == 3);

    cv::Mat small(64, 64, CV_8UC3, cv::Scalar::all(0));
    small(cv::Rect(24, 16, 8, 8)).setTo(cv::Scalar(0, 0, 255));
    REQUIRE(tiled.detect(small).size() == 1);
    CHECK(tiled.detect(small)[0].box == whole.detect(small)[0].box);
}

TEST_CASE("masks and keypoints of tiles lie in the image") {
    for (const bool masks : {true, false}) {
        tiny::Model model;
        model.extra = masks ? std::vector<float>{20} : std::vector<float>{0, 0.25F};
        model.extra_first = !masks;
        model.proto = masks;
        model.metadata["task"] = masks ? R"("segment")" : R"("keypoints")";
        model.metadata[masks ? "masks" : "keypoints"] = "1";
        const tiny::File file(tiny::bytes(model));
        Options options;
        options.tiles = 64;
        cv::Mat image(256, 256, CV_8UC3, cv::Scalar::all(0));
        image(cv::Rect(216, 120, 8, 8)).setTo(cv::Scalar(0, 0, 255));
        const auto found = Detector(file.path, options).detect(image);
        REQUIRE(!found.empty());
        if (masks) {
            CHECK(found[0].mask.pixels().size() == image.size());
            CHECK(cv::boundingRect(found[0].mask.pixels()) == cv::Rect(216, 120, 8, 8));
        } else {
            REQUIRE(found[0].keypoints.size() == 1);
            CHECK(found[0].keypoints[0].x == doctest::Approx(216).epsilon(0.001));
            CHECK(found[0].keypoints[0].y == doctest::Approx(123).epsilon(0.001));
        }
    }
}

TEST_CASE("tiles have a smallest size") {
    const tiny::File file;
    Options options;
    for (const int tiles : {-1, 0, 31}) {
        options.tiles = tiles;
        CHECK_THROWS_WITH_AS(
            Detector(file.path, options),
            ("tiles must be a whole number of at least 32 pixels, not " + std::to_string(tiles)).c_str(), InputError);
    }
}
