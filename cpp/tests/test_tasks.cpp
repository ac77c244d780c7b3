// SPDX-License-Identifier: Apache-2.0
// Tasks other than plain detection, on networks whose answers are known: see tiny_model.hpp.

#include <doctest/doctest.h>
#include <yolov5_dnn.hpp>

#include <numeric>

#include "tiny_model.hpp"

using namespace yolov5_dnn;

namespace {

const cv::Scalar red(0, 0, 255), blue(255, 0, 0);

// Black, with a red square of 8 × 8 pixels in a cell of the finer head.
cv::Mat with_cell(int column, int row) {
    cv::Mat image(64, 64, CV_8UC3, cv::Scalar::all(0));
    image(cv::Rect(8 * column, 8 * row, 8, 8)).setTo(red);
    return image;
}

std::string segmentation() {
    tiny::Model model;
    model.extra = {1};
    model.proto = true;
    model.metadata["task"] = R"("segment")";
    model.metadata["masks"] = "1";
    return tiny::bytes(model);
}

std::string faces(std::vector<float> points) {
    tiny::Model model;
    model.metadata["task"] = R"("keypoints")";
    model.metadata["keypoints"] = std::to_string(points.size() / 2);
    model.extra = std::move(points);
    model.extra_first = true;
    return tiny::bytes(model);
}

std::string refusal_of(const std::function<void()>& load) {
    try {
        load();
    } catch (const ModelError& error) {
        return error.what();
    }
    return "";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a segmenter says which pixels belong to a box") {
    const tiny::File file(segmentation());
    Segmenter segmenter(file.path);
    const auto found = segmenter.detect(with_cell(3, 2));
    REQUIRE(found.size() == 1);
    CHECK(found[0].class_id == 0);
    REQUIRE_FALSE(found[0].mask.empty());
    const cv::Mat mask = found[0].mask.pixels();
    CHECK(mask.size() == cv::Size(64, 64));
    // Two prototype cells each way are red; scaled up, their edge is where red and black are mixed half and half.
    CHECK(cv::countNonZero(mask) == cv::countNonZero(mask(cv::Rect(24, 16, 8, 8))));
    CHECK(cv::countNonZero(mask) >= 36);

    cv::Mat large;
    cv::resize(with_cell(3, 2), large, {}, 3, 3, cv::INTER_NEAREST);
    const auto enlarged = segmenter.detect(large);
    REQUIRE(enlarged.size() == 1);
    const cv::Mat pixels = enlarged[0].mask.pixels();
    CHECK(pixels.size() == large.size());
    CHECK(pixels.at<unsigned char>(60, 84) == 255);
    CHECK(std::abs(cv::countNonZero(pixels) - 9 * cv::countNonZero(mask)) < 60);
    CHECK(enlarged[0].mask.window().pixels.cols <= 72);  // only where the box is, and a cell around it
}

TEST_CASE("a detector gives masks, too, and draws them") {
    const tiny::File file(segmentation());
    const cv::Mat image = with_cell(3, 2);
    Detector detector(file.path);
    auto found = detector.detect(image);
    REQUIRE(found.size() == 1);
    CHECK_FALSE(found[0].mask.empty());
    const std::vector<std::string>& names = detector.info().names;
    DrawOptions bare;
    bare.hide_labels = true;
    const cv::Vec3b tinted = draw(image, found, names, bare).at<cv::Vec3b>(20, 28);
    found[0].mask = {};
    CHECK(tinted != draw(image, found, names, bare).at<cv::Vec3b>(20, 28));
    CHECK(detector.detect(cv::Mat(64, 64, CV_8UC3, cv::Scalar::all(0))).empty());
}

TEST_CASE("keypoints lie at raw · anchor + cell · stride, within the image") {
    const tiny::File file(faces({0, 0, 0.5F, -0.5F, 1, 1, -9, 9, 0.25F, 0.25F}));
    Options options;
    options.classes = {"0"};
    const auto found = Detector(file.path, options).detect(with_cell(3, 2));
    REQUIRE(found.size() == 1);
    const std::vector<cv::Point2f> expected = {{24, 16}, {32, 10}, {40, 28}, {0, 64}, {28, 19}};
    REQUIRE(found[0].keypoints.size() == 5);
    for (std::size_t k = 0; k < 5; ++k) CHECK(cv::norm(found[0].keypoints[k] - expected[k]) < 1e-3);
    const cv::Mat picture = draw(with_cell(3, 2), found, {"face", "other"});
    const cv::Scalar left = five_points()[0];
    CHECK(picture.at<cv::Vec3b>(16, 24) == cv::Vec3b(cv::Vec4b(left).val));
}

TEST_CASE("thresholds are those that are usual for the task, unless somebody says other") {
    CHECK(tasks().size() == 6);
    const tiny::File file(faces({0, 0}));
    Options options;
    options.conf_thres = 0.99999;
    CHECK(Detector(file.path).detect(with_cell(3, 2)).size() == 1);
    CHECK(Detector(file.path, options).detect(with_cell(3, 2)).empty());
    const auto task = [](const std::string& name, const std::string& key) {
        return find_task(name, [&](const std::string& each) { return each != "anchors" || key == each; });
    };
    CHECK(task("detect", "anchors").iou_thres == 0.45);
    CHECK(task("detect", "reg_max").iou_thres == 0.7);
    CHECK(task("segment", "anchors").conf_thres == 0.25);
    CHECK(task("keypoints", "anchors").conf_thres == 0.6);
    CHECK(task("keypoints", "anchors").iou_thres == 0.5);
}

TEST_CASE("what is not a number is never given out") {
    for (const float point : {3e38F, -3e38F}) {
        const tiny::File file(faces({point, 0}));
        Detector detector(file.path);
        CHECK_THROWS_AS(detector.detect(with_cell(3, 2)), ModelError);
        CHECK(detector.detect(cv::Mat(64, 64, CV_8UC3, cv::Scalar::all(0))).empty());
    }
}

TEST_CASE("a classifier tells how probable each class is") {
    const tiny::File file(tiny::classifier_bytes());
    Classifier classifier(file.path);
    CHECK(classifier.imgsz() == 64);
    classifier.warmup();
    cv::Mat image(50, 120, CV_8UC3, blue);  // of which the middle is looked at
    image(cv::Rect(35, 0, 50, 50)).setTo(red);
    const Classification found = classifier.classify(image);
    REQUIRE(found.probabilities.size() == 3);
    CHECK(std::accumulate(found.probabilities.begin(), found.probabilities.end(), 0.0F) == doctest::Approx(1));
    CHECK(found.probabilities[0] == doctest::Approx(1 / (1 + 2 * std::exp(-10.0))).epsilon(1e-5));
    const auto best = found.top(2);
    REQUIRE(best.size() == 2);
    CHECK(best[0].class_id == 0);
    CHECK(best[1].class_id == 1);  // of equals the lower number
    CHECK(found.top(9).size() == 3);
    CHECK(classifier(cv::Mat(64, 64, CV_8UC4, cv::Scalar(255, 0, 0, 9))).top(1).at(0).class_id == 2);
    CHECK_THROWS_AS(classifier.classify(cv::Mat()), InputError);

    ClassifierOptions options;
    options.imgsz = 70;
    CHECK(Classifier(file.path, options).imgsz() == 96);
    options = {};
    options.crop = "shorter-side";
    Classifier other(file.path, options);
    CHECK(other.crop() == "shorter-side");
    CHECK(other.classify(image).top(1).at(0).class_id == 0);
    for (const cv::Size size : {cv::Size(30000, 1), cv::Size(1, 30000), cv::Size(1, 1)})  // bounded, whatever the shape
        CHECK(other.classify(cv::Mat(size, CV_8UC3, blue)).top(1).at(0).class_id == 2);
    options.crop = "round";
    CHECK_THROWS_AS(Classifier(file.path, options), InputError);
    options = {};
    options.device = "abacus";
    CHECK_THROWS_AS(Classifier(file.path, options), DeviceError);

    const tiny::File normalised(tiny::classifier_bytes({{"mean", "[0.5, 0, 0]"}, {"std", "[0.25, 1, 1]"}}));
    // Red is (1 − 0.5) / 0.25 = 2 then, and nothing is −2.
    CHECK(Classifier(normalised.path).classify(image).probabilities[0] > 0.999);
    CHECK(Classifier(normalised.path).classify(cv::Mat(9, 9, CV_8UC3, cv::Scalar::all(0))).probabilities[0] < 1e-6);
}

TEST_CASE("the middle of the scaled picture is what scaling the whole picture gives") {
    cv::Mat image(300, 811, CV_8UC3), floats, whole;
    cv::randu(image, cv::Scalar::all(0), cv::Scalar::all(256));
    for (const bool upright : {false, true})
        for (const int size : {64, 224, 300, 500}) {
            if (upright) cv::transpose(image, image);
            image.convertTo(floats, CV_32F, 1 / 255.0);
            const int longer = static_cast<int>(static_cast<double>(size) * 811 / 300);
            const int cut = static_cast<int>(std::nearbyint((longer - size) / 2.0));
            const bool wide = image.cols > image.rows;
            cv::resize(floats, whole, wide ? cv::Size(longer, size) : cv::Size(size, longer), 0, 0, cv::INTER_LINEAR);
            const cv::Mat middle = whole(cv::Rect(wide ? cut : 0, wide ? 0 : cut, size, size));
            // Places are computed in float32, as PyTorch does it: 6e-5 pixels at 800.
            CHECK(cv::norm(crop_shorter_side(image, size), middle, cv::NORM_INF) < 1e-4);
        }
}

TEST_CASE("classes are written on pictures") {
    const cv::Mat image(60, 200, CV_8UC3, cv::Scalar::all(40));
    const cv::Mat picture = draw_classes(image, {{1, 0.75F}, {0, 0.25F}}, {"a", "b"});
    CHECK(picture.size() == image.size());
    CHECK(cv::Scalar(picture.at<cv::Vec3b>(1, 1)) == class_colour(1));
    CHECK(picture.at<cv::Vec3b>(59, 199) == cv::Vec3b(40, 40, 40));
    CHECK(draw_classes(cv::Mat(1, 1, CV_8UC3, cv::Scalar(0)), {{0, 1}}, {"a"}).size() == cv::Size(1, 1));
}

TEST_CASE("a model for something else is refused with what it is for") {
    const tiny::File boxes, classes(tiny::classifier_bytes());
    CHECK(contains(refusal_of([&] { Detector(classes.path); }), "is no model to detect with; it is for Classifier"));
    CHECK(contains(refusal_of([&] { Segmenter(classes.path); }), "it is for Classifier"));
    CHECK(contains(refusal_of([&] { Segmenter(boxes.path); }), "gives no masks; it is for Detector"));
    CHECK(contains(refusal_of([&] { Classifier(boxes.path); }), "is no classifier; it is for Detector"));
}
