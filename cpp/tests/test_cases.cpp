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

namespace {

// Raw head maps of a case, whose numbers the heads look at.
struct Maps {
    std::vector<std::vector<float>> numbers;
    std::vector<Head> heads;

    explicit Maps(const Json& list) {
        for (const Json& head : list.items) numbers.push_back(golden::numbers<float>(get(head, "data")));
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            const auto shape = golden::numbers<int>(get(list.items[i], "shape"));
            heads.push_back({numbers[i].data(), shape.at(0), shape.at(1), shape.at(2)});
        }
    }
};

// Compares candidates with a case's; what is extra may differ by so much. Gives how many they are.
std::size_t check_candidates(const Candidates& found, const Json& expected, float extra_tolerance) {
    const auto scores = golden::numbers<float>(get(expected, "scores"));
    const auto xyxy = golden::boxes(get(expected, "xyxy"));
    REQUIRE(found.class_ids == golden::numbers<int>(get(expected, "class_ids")));
    for (std::size_t i = 0; i < scores.size(); ++i) {
        CHECK(std::abs(found.scores[i] - scores[i]) <= 1e-6F);
        CHECK(cv::norm(found.xyxy[i] - xyxy[i], cv::NORM_INF) <= 1e-3);
        if (!golden::has(expected, "extra")) continue;
        const auto extra = golden::numbers<float>(get(expected, "extra").items[i]);
        REQUIRE(found.extra_width == extra.size());
        for (std::size_t k = 0; k < extra.size(); ++k)
            CHECK(std::abs(found.extra[i * extra.size() + k] - extra[k]) <= extra_tolerance);
    }
    return scores.size();
}

// A mask of the lengths of its runs, down the columns: 255 and 0.
cv::Mat filled(const Json& counts, cv::Size image) {
    cv::Mat columns(image.width, image.height, CV_8U), pixels;
    unsigned char* at = columns.data;
    unsigned char value = 0;
    for (const int count : golden::numbers<int>(counts)) {
        at = std::fill_n(at, count, value);
        value = static_cast<unsigned char>(255 - value);
    }
    REQUIRE(at == columns.data + columns.total());
    cv::transpose(columns, pixels);
    return pixels;
}

}  // namespace

TEST_CASE("golden decode") {
    const auto cases = golden::read("decode.json");
    REQUIRE(cases.size() > 10);
    std::size_t total = 0;
    Candidates found;
    for (const Json& each : cases) {
        CAPTURE(get(each, "name").string);
        const Maps maps(get(each, "heads"));
        const auto range = [&](const char* key) {
            const auto ends = golden::numbers<int>(get(get(each, "layout"), key));
            return cv::Range(ends.at(0), ends.at(1));
        };
        const auto run = [&] {
            decode(maps.heads, golden::anchors(get(each, "anchors")), golden::numbers<int>(get(each, "strides")),
                   {range("classes"), range("extra")}, get(each, "conf_thres").number, get(each, "multi_label").boolean,
                   found);
        };
        if (golden::has(each, "error")) {
            CHECK_THROWS_AS(run(), ModelError);
            continue;
        }
        run();
        total += check_candidates(found, get(each, "candidates"), 0);
    }
    CHECK(total > 100);
}

TEST_CASE("golden anchor-free decode") {
    const auto cases = golden::read("anchor_free.json");
    REQUIRE(cases.size() > 5);
    std::size_t total = 0;
    Candidates found;
    for (const Json& each : cases) {
        CAPTURE(get(each, "name").string);
        const Maps maps(get(each, "heads"));
        const auto run = [&] {
            decode_anchor_free(maps.heads, golden::numbers<int>(get(each, "strides")), golden::integer(each, "reg_max"),
                               get(each, "conf_thres").number, get(each, "multi_label").boolean, found);
        };
        if (golden::has(each, "error")) {
            CHECK_THROWS_AS(run(), ModelError);
            continue;
        }
        run();
        total += check_candidates(found, get(each, "candidates"), 0);
    }
    CHECK(total > 100);
}

TEST_CASE("golden tasks") {
    const auto cases = golden::read("tasks.json");
    REQUIRE(cases.size() > 3);
    std::size_t total = 0;
    Candidates found;
    for (const Json& each : cases) {
        CAPTURE(get(each, "name").string);
        const Json& metadata = get(each, "metadata");
        const Task& task =
            find_task(get(each, "task").string, [&](const std::string& key) { return golden::has(metadata, key); });
        ModelInfo info;
        info.names = golden::texts(get(metadata, "names"));
        info.anchors = golden::anchors(get(metadata, "anchors"));
        info.strides = golden::numbers<int>(get(metadata, "strides"));
        if (golden::has(metadata, "masks")) info.masks = golden::integer(metadata, "masks");
        if (golden::has(metadata, "keypoints")) info.keypoints = golden::integer(metadata, "keypoints");
        const Maps maps(get(each, "heads"));
        task.decode(info, maps.heads, get(each, "conf_thres").number, get(each, "multi_label").boolean, found);
        total += check_candidates(found, get(each, "candidates"), 1e-4F);
    }
    CHECK(total > 20);
}

TEST_CASE("golden masks") {
    const auto cases = golden::read("masks.json");
    REQUIRE(cases.size() > 5);
    int inside = 0;
    for (const Json& each : cases) {
        CAPTURE(get(each, "name").string);
        const Json& prototypes = get(each, "prototypes");
        const auto shape = golden::numbers<int>(get(prototypes, "shape"));
        const auto numbers = golden::numbers<float>(get(prototypes, "data"));
        const auto coefficients = golden::numbers<float>(get(each, "coefficients"));
        const auto box = golden::numbers<float>(get(each, "xyxy"));
        const cv::Size canvas = golden::size(get(each, "canvas_hw")), image = golden::size(get(each, "image_hw"));
        const Bitmap bitmap = make_bitmap({numbers.data(), shape.at(0), shape.at(1), shape.at(2)}, coefficients.data(),
                                          {box.at(0), box.at(1), box.at(2), box.at(3)}, canvas);
        const cv::Mat on_canvas = Mask{bitmap, Placement{}, canvas}.pixels();
        CHECK(cv::countNonZero(on_canvas != filled(get(each, "canvas_counts"), canvas)) == 0);
        const Json& placement = get(each, "placement");
        const Mask mask{
            bitmap,
            {get(placement, "scale").number, get(placement, "pad_x").number, get(placement, "pad_y").number},
            image};
        const cv::Mat different = mask.pixels() != filled(get(each, "counts"), image);
        CHECK(cv::countNonZero(different & ~filled(get(each, "either_counts"), image)) == 0);
        inside += cv::countNonZero(mask.pixels());
    }
    CHECK(inside > 1000);
}

TEST_CASE("golden run lengths") {
    const auto cases = golden::read("rle.json");
    REQUIRE(cases.size() > 5);
    for (const Json& each : cases) {
        CAPTURE(get(each, "name").string);
        const auto rows = golden::texts(get(each, "window"));
        Bitmap window{{golden::integer(each, "left"), golden::integer(each, "top")}, {}};
        if (!rows.empty()) window.pixels.create(static_cast<int>(rows.size()), static_cast<int>(rows[0].size()), CV_8U);
        for (std::size_t y = 0; y < rows.size(); ++y)
            std::transform(rows[y].begin(), rows[y].end(), window.pixels.ptr<unsigned char>(static_cast<int>(y)),
                           [](char letter) { return static_cast<unsigned char>(letter == '1' ? 255 : 0); });
        CHECK(encode_rle(window, golden::size(get(each, "image_hw"))) == get(each, "counts").string);
    }
}

TEST_CASE("golden crop") {
    const auto cases = golden::read("crop.json");
    REQUIRE(cases.size() > 5);
    for (const Json& each : cases) {
        CAPTURE(get(each, "name").string);
        const auto colours = [&](const char* key) {
            const auto rgb = golden::numbers<float>(get(each, key));
            return cv::Vec3f(rgb.at(0), rgb.at(1), rgb.at(2));
        };
        cv::Mat blob;
        to_classifier_blob(golden::picture(get(each, "image")), golden::integer(each, "imgsz"),
                           get(each, "crop").string, colours("mean"), colours("std"), blob);
        const Json& expected = get(each, "blob");
        CHECK(Shape(blob.size.p, blob.size.p + blob.dims) == golden::numbers<int>(get(expected, "shape")));
        if (golden::has(expected, "sha256")) {
            CHECK(golden::sha256(blob) == get(expected, "sha256").string);
            continue;
        }
        const auto data = golden::numbers<float>(get(expected, "data"));
        REQUIRE(data.size() == blob.total());
        for (std::size_t i = 0; i < data.size(); ++i) CHECK(std::abs(blob.ptr<float>()[i] - data[i]) < 1e-4F);
    }
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

TEST_CASE("golden labels") {
    const auto cases = golden::read("labels.json");
    REQUIRE(cases.size() > 10);
    for (const Json& each : cases) {
        CAPTURE(get(each, "name").string);
        std::vector<cv::Vec4i> boxes;
        std::vector<cv::Size> sizes;
        for (const Json& row : get(each, "boxes").items) {
            const auto edges = golden::numbers<int>(row);
            boxes.push_back({edges.at(0), edges.at(1), edges.at(2), edges.at(3)});
        }
        for (const Json& row : get(each, "sizes").items) {
            const auto sides = golden::numbers<int>(row);
            sizes.emplace_back(sides.at(0), sides.at(1));
        }
        const auto places = place_labels(boxes, sizes, golden::size(get(each, "image_hw")));
        const auto& expected = get(each, "places").items;
        REQUIRE(places.size() == expected.size());
        for (std::size_t i = 0; i < places.size(); ++i) {
            REQUIRE(places[i].has_value() == (expected[i].type == Json::Type::array));
            if (!places[i]) continue;
            const auto corner = golden::numbers<int>(expected[i]);
            CHECK(*places[i] == cv::Point(corner.at(0), corner.at(1)));
        }
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
            DrawOptions options;
            if (golden::has(each, "line_thickness")) options.line_thickness = golden::integer(each, "line_thickness");
            if (golden::has(each, "hide_labels")) options.hide_labels = get(each, "hide_labels").boolean;
            const cv::Mat drawn =
                draw(golden::picture(get(each, "image")), detections, golden::texts(get(each, "names")), options);
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
        if (!golden::has(each, "head")) continue;
        const Json& head = get(each, "head");
        if (golden::has(head, "masks")) CHECK(info.masks == golden::integer(head, "masks"));
        if (golden::has(head, "keypoints")) CHECK(info.keypoints == golden::integer(head, "keypoints"));
        if (golden::has(head, "reg_max")) CHECK(info.reg_max == golden::integer(head, "reg_max"));
        if (!golden::has(head, "crop")) continue;
        CHECK(info.crop == get(head, "crop").string);
        for (int c = 0; c < 3; ++c) {
            CHECK(info.mean[c] == static_cast<float>(get(head, "mean").items.at(static_cast<std::size_t>(c)).number));
            CHECK(info.deviation[c] ==
                  static_cast<float>(get(head, "std").items.at(static_cast<std::size_t>(c)).number));
        }
    }
}

TEST_CASE("golden shapes") {
    const auto cases = golden::read("shape_inference.json");
    REQUIRE(cases.size() > 100);
    for (const Json& each : cases) {
        CAPTURE(get(each, "name").string);
        const tiny::File file(golden::base64(get(each, "file").string));
        std::vector<detail::Sides> expected;
        for (const Json& shape : get(each, "outputs").items) expected.push_back(golden::numbers<std::int64_t>(shape));
        CHECK(read_model(file.path).check_input({1, 4, 8, 6}) == expected);
    }
}

TEST_CASE("golden hostile models") {
    const auto cases = golden::read("hostile_models.json");
    REQUIRE(cases.size() > 100);
    for (const Json& each : cases) {
        CAPTURE(get(each, "name").string);
        const tiny::File file(golden::base64(get(each, "file").string));
        std::string refusal;
        try {
            const ModelFile model = read_model(file.path);
            if (golden::has(each, "imgsz")) {
                const auto imgsz = golden::numbers<std::int64_t>(get(each, "imgsz"));
                model.check_input({1, 3, imgsz.at(0), imgsz.at(1)});
            }
        } catch (const ModelError& error) {
            refusal = error.what();
        }
        CAPTURE(refusal);
        const Json& refused = get(each, "refused");
        CHECK(refusal.empty() == (refused.type == Json::Type::null));
        CHECK(refusal.find(refused.string) != std::string::npos);
        CHECK(refusal.find_first_of("\x1b\n\r") == std::string::npos);
    }
}
