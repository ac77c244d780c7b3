// SPDX-License-Identifier: Apache-2.0
// The whole way, on networks whose answers are known: see tiny_model.hpp.

#include <doctest/doctest.h>
#include <yolov5_dnn.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <thread>

#include "tiny_model.hpp"

using namespace yolov5_dnn;

namespace {

const cv::Scalar red(0, 0, 255), blue(255, 0, 0);

// Black, with one cell of the finer head, 8 × 8 pixels, in a colour.
cv::Mat with_cell(int column, int row, const cv::Scalar& colour, cv::Size size = {64, 64}) {
    cv::Mat image(size, CV_8UC3, cv::Scalar::all(0));
    image(cv::Rect(8 * column, 8 * row, 8, 8)).setTo(colour);
    return image;
}

void check_box(const cv::Rect2f& box, float x1, float y1, float x2, float y2) {
    CHECK(box.x == doctest::Approx(x1).epsilon(1e-4));
    CHECK(box.y == doctest::Approx(y1).epsilon(1e-4));
    CHECK(box.br().x == doctest::Approx(x2).epsilon(1e-4));
    CHECK(box.br().y == doctest::Approx(y2).epsilon(1e-4));
}

float expected_score(float objectness, float class_logit) { return sigmoid(objectness) * sigmoid(class_logit); }

// Both find the one red cell, at a square input and at a wide one, with the same box and score.
void check_same_answers(Detector& detector, Detector& plain) {
    for (const cv::Size size : {cv::Size(64, 64), cv::Size(64, 32)}) {
        const cv::Mat image = with_cell(3, 2, red, size);
        const auto found = detector.detect(image), expected = plain.detect(image);
        REQUIRE(found.size() == 1);
        REQUIRE(expected.size() == 1);
        CHECK(found[0].box == expected[0].box);
        CHECK(found[0].score == doctest::Approx(expected[0].score).epsilon(1e-5));
    }
}

}  // namespace

TEST_CASE("a coloured cell is found where it is, as what it is") {
    const tiny::File file;
    Detector detector(file.path);
    CHECK(detector.imgsz() == cv::Size(64, 64));
    const auto found = detector.detect(with_cell(3, 2, red));
    REQUIRE(found.size() == 1);
    CHECK(found[0].class_id == 0);
    CHECK(found[0].score == doctest::Approx(expected_score(10, 20)).epsilon(1e-5));
    check_box(found[0].box, 28 - 8, 20 - 6, 28 + 8, 20 + 6);

    const auto other = detector(with_cell(4, 4, blue));
    REQUIRE(other.size() == 1);
    CHECK(other[0].class_id == 1);
    CHECK(detector.detect(cv::Mat(64, 64, CV_8UC3, cv::Scalar::all(0))).empty());
}

TEST_CASE("boxes are in the pixels of the image, which may have any size") {
    const tiny::File file;
    Detector detector(file.path);
    cv::Mat large;
    cv::resize(with_cell(3, 2, red), large, {}, 4, 4, cv::INTER_NEAREST);
    auto found = detector.detect(large);
    REQUIRE(found.size() == 1);
    check_box(found[0].box, 4 * 20, 4 * 14, 4 * 36, 4 * 26);

    // 64 × 32: with this network, of free size, no padding at all.
    found = detector.detect(with_cell(3, 2, red, {64, 32}));
    REQUIRE(found.size() == 1);
    check_box(found[0].box, 20, 14, 36, 26);
    // Fixed to 64 × 64 it lies in the middle, 16 down: another row of cells, the same pixels of the image.
    tiny::Model fixed;
    fixed.metadata["dynamic"] = "false";
    const tiny::File fixed_file(tiny::bytes(fixed));
    found = Detector(fixed_file.path).detect(with_cell(3, 2, red, {64, 32}));
    REQUIRE(found.size() == 1);
    check_box(found[0].box, 20, 14, 36, 26);
}

TEST_CASE("boxes end where the image ends") {
    const tiny::File file;
    Detector detector(file.path);
    const auto found = detector.detect(with_cell(0, 7, red));
    REQUIRE(found.size() == 1);
    check_box(found[0].box, 0, 54, 12, 64);
}

TEST_CASE("SiLU as a Swish node runs") {
    tiny::Model model;
    model.swish = true;
    const tiny::File file(tiny::bytes(model));
    Options options;
    options.conf_thres = 0.6;  // SiLU lifts what is far below 0 to 0
    const auto found = Detector(file.path, options).detect(with_cell(3, 2, red));
    REQUIRE(found.size() == 1);
    const auto silu = [](float x) { return x * sigmoid(x); };
    CHECK(found[0].score == doctest::Approx(expected_score(silu(10), silu(20))).epsilon(1e-5));
    check_box(found[0].box, 20, 14, 36, 26);
}

TEST_CASE("a network that takes its input folded finds the same") {
    tiny::Model model;
    model.fold = 2;
    model.metadata["fold"] = "2";
    const tiny::File file(tiny::bytes(model)), plain_file;
    Detector detector(file.path), plain(plain_file.path);
    check_same_answers(detector, plain);
}

TEST_CASE("devices other than the processor get OpenCV's classic engine, which answers the same") {
    tiny::Model model;
    model.swish = true;
    const tiny::File file(tiny::bytes(model));
    cv::Mat blob;
    to_blob(with_cell(3, 2, red), 1, blob);
    std::vector<cv::Mat> answers;
    for (const std::string name : {"cpu", "another"}) {
        const Device device{name, cv::dnn::DNN_BACKEND_OPENCV, cv::dnn::DNN_TARGET_CPU};
        cv::dnn::Net net = detail::load_net(read_model(file.path), device, true);
#if CV_VERSION_MAJOR >= 5
        const auto layers = net.getLayerNames();  // the classic engine's have names of this kind
        const bool classic = std::any_of(layers.begin(), layers.end(),
                                         [](const std::string& layer) { return layer.find("onnx_node!") == 0; });
        CHECK(classic == (name == "another"));
#endif
        std::vector<cv::Mat> outputs;
        net.setInput(blob);
        net.forward(outputs, net.getUnconnectedOutLayersNames());
        REQUIRE(outputs.size() == 2);
        answers.push_back(outputs[0].clone());
    }
    CHECK(cv::norm(answers[0], answers[1], cv::NORM_INF) < 1e-4);
}

TEST_CASE("onnxruntime within OpenCV finds the same, at any input size, and leaves no file behind") {
    const std::vector<std::string> usable = available_devices();
    Options options;
    options.device = "onnxruntime";
    const tiny::File file;
    if (std::count(usable.begin(), usable.end(), "onnxruntime") == 0) {
        CHECK_THROWS_AS(Detector(file.path, options), DeviceError);
        return;
    }
    const auto files = [] {
        std::size_t found = 0;
        for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::temp_directory_path()))
            found += entry.path().filename().string().find("yolov5_dnn-") == 0;
        return found;
    };
    const std::size_t before = files();
    Detector detector(file.path, options), plain(file.path);
    CHECK(files() == before);
    check_same_answers(detector, plain);
}

TEST_CASE("options do what they say") {
    const tiny::File file;
    cv::Mat image = with_cell(1, 1, red);
    image(cv::Rect(40, 40, 8, 8)).setTo(blue);
    image(cv::Rect(16, 8, 8, 8)).setTo(red);  // beside the first: the boxes overlap by a third
    Options options;
    const auto count = [&] { return Detector(file.path, options).detect(image).size(); };
    CHECK(count() == 3);
    options.max_det = 1;
    CHECK(count() == 1);
    options = {};
    options.iou_thres = 0.3;
    CHECK(count() == 2);
    options = {};
    options.classes = {"blue"};
    CHECK(Detector(file.path, options).detect(image).at(0).class_id == 1);
    CHECK(count() == 1);
    options.classes = {"0", "1"};
    CHECK(count() == 3);
    options = {};
    options.conf_thres = 0.99999;
    CHECK(count() == 0);
    options = {};
    options.conf_thres = 1e-12;
    options.multi_label = true;
    const std::size_t with_all_labels = count();
    options.multi_label = false;
    CHECK(with_all_labels > count());
    options = {};
    options.imgsz = {70, 33};
    CHECK(Detector(file.path, options).imgsz() == cv::Size(80, 48));
    options = {};
    options.names = {"röd", "blå"};
    CHECK(Detector(file.path, options).info().names[1] == "blå");
}

TEST_CASE("the canvas is as small as the network allows, unless it shall be the full one") {
    // A red stripe 8 pixels high fills half a row of the coarser head's cells, 16 pixels high, if the canvas is no higher
    // than these; on a higher one it lies across two rows, and fills a quarter of each, which is too little.
    const cv::Mat stripe(8, 64, CV_8UC3, red);
    const auto finds_coarse = [&](const tiny::Model& model, const Options& options) {
        const tiny::File file(tiny::bytes(model));
        const auto found = Detector(file.path, options).detect(stripe);
        return std::any_of(found.begin(), found.end(), [](const Detection& each) { return each.box.width > 20; });
    };
    tiny::Model model;
    Options options;
    CHECK(finds_coarse(model, options));
    options.rect = false;
    CHECK_FALSE(finds_coarse(model, options));
    options = {};
    model.metadata["size_multiple"] = "32";  // as of a network that pools further down than its heads
    CHECK_FALSE(finds_coarse(model, options));

    options.imgsz = {70, 33};
    const tiny::File file(tiny::bytes(model));
    CHECK(Detector(file.path, options).imgsz() == cv::Size(96, 64));
    CHECK(Detector(file.path, options).info().size_multiple == 32);
}

TEST_CASE("wrong options are refused") {
    const tiny::File file;
    const auto refuses = [&](const std::function<void(Options&)>& change) {
        Options options;
        change(options);
        CHECK_THROWS_AS(Detector(file.path, options), InputError);
    };
    refuses([](Options& options) { options.conf_thres = 1.5; });
    refuses([](Options& options) { options.conf_thres = std::nan(""); });
    refuses([](Options& options) { options.iou_thres = -0.1; });
    refuses([](Options& options) { options.max_det = 0; });
    refuses([](Options& options) { options.imgsz = {640, 0}; });
    refuses([](Options& options) { options.imgsz = {100000, 640}; });
    refuses([](Options& options) { options.classes = {"green"}; });
    refuses([](Options& options) { options.classes = {"2"}; });
    refuses([](Options& options) { options.classes = {"-1"}; });
    refuses([](Options& options) { options.classes = {""}; });
    refuses([](Options& options) { options.classes = {"99999999999999999999"}; });
    Options options;
    options.device = "abacus";
    CHECK_THROWS_AS(Detector(file.path, options), DeviceError);

    tiny::Model fixed;
    fixed.metadata["dynamic"] = "false";
    const tiny::File fixed_file(tiny::bytes(fixed));
    options = {};
    options.imgsz = {128, 128};
    CHECK_THROWS_WITH_AS(Detector(fixed_file.path, options),
                         "this model takes 64 × 64 only, not 128 × 128; convert its checkpoint with --imgsz 128 128, "
                         "or with --focus conv for a free size",
                         InputError);
}

TEST_CASE("a network that does not fit its metadata is refused") {
    tiny::Model model;
    model.metadata["names"] = R"(["a", "b", "c"])";
    const tiny::File three_names(tiny::bytes(model));
    Detector detector(three_names.path);
    CHECK_THROWS_AS(detector.warmup(), ModelError);

    model = {};
    model.metadata["strides"] = "[16, 8]";
    const tiny::File swapped(tiny::bytes(model));
    Detector other(swapped.path);
    CHECK_THROWS_AS(other.warmup(), ModelError);

    model = {};
    model.metadata["strides"] = "[8]";
    model.metadata["anchors"] = "[[[16, 12]]]";
    const tiny::File too_few(tiny::bytes(model));
    CHECK_THROWS_AS(Detector(too_few.path), ModelError);
}

TEST_CASE("a graph that OpenCV cannot load is a ModelError") {
    tiny::Message graph, file;
    graph.message(1, tiny::node("NoSuchLayer", {"images"}, "out0"))
        .message(11, tiny::value_info("images", {1, 3, 8, 8}));
    graph.message(12, tiny::value_info("out0", {1, 3, 8, 8}));
    file.number(1, 8).message(7, graph).message(8, tiny::Message().bytes(1, "").number(2, 12));
    for (const auto& entry : tiny::Model().metadata)
        file.message(14, tiny::Message().bytes(1, entry.first).bytes(2, entry.second));
    const tiny::File unknown(file.data());
    CHECK_THROWS_AS(Detector(unknown.path).warmup(), ModelError);
}

TEST_CASE("images of every kind are taken, and what is none is refused") {
    const tiny::File file;
    Detector detector(file.path);
    const cv::Mat image = with_cell(3, 2, red);
    cv::Mat bgra, deep, grey_image;
    cv::cvtColor(image, bgra, cv::COLOR_BGR2BGRA);
    image.convertTo(deep, CV_16U, 257);
    cv::cvtColor(image, grey_image, cv::COLOR_BGR2GRAY);
    CHECK(detector.detect(bgra).size() == 1);
    CHECK(detector.detect(deep).size() == 1);
    CHECK(detector.detect(grey_image).empty());
    CHECK(detector.detect(cv::Mat(64, 64, CV_16UC1, cv::Scalar(65535))).empty());
    CHECK(detector.detect(cv::Mat(1, 1, CV_8UC3, red)).size() > 1);
    CHECK(detector.detect(cv::Mat(20, 30000, CV_8UC3, cv::Scalar::all(0))).empty());
    CHECK(detector.detect(cv::Mat(30000, 20, CV_8UC3, cv::Scalar::all(0))).empty());
    const cv::Mat part = cv::Mat(100, 100, CV_8UC3, red)(cv::Rect(10, 10, 64, 64));  // rows do not lie side by side
    CHECK(detector.detect(part).size() > 1);
    CHECK_THROWS_AS(detector.detect(cv::Mat()), InputError);
    CHECK_THROWS_AS(detector.detect(cv::Mat::zeros(8, 8, CV_32FC3)), InputError);
    CHECK(detector.detect(image).size() == 1);  // and goes on
}

TEST_CASE("several images give what each gives alone") {
    const tiny::File file;
    Detector detector(file.path);
    const std::vector<cv::Mat> images = {with_cell(3, 2, red), with_cell(1, 1, blue, {64, 32}),
                                         cv::Mat(64, 64, CV_8UC3, cv::Scalar::all(0))};
    const auto together = detector.detect(images);
    REQUIRE(together.size() == 3);
    for (std::size_t i = 0; i < images.size(); ++i) {
        const auto alone = detector.detect(images[i]);
        REQUIRE(together[i].size() == alone.size());
        for (std::size_t k = 0; k < alone.size(); ++k) CHECK(together[i][k].box == alone[k].box);
    }
    CHECK(detector.detect(std::vector<cv::Mat>()).empty());
}

TEST_CASE("threads may share a detector, or have one each") {
    const tiny::File file;
    Detector shared(file.path);
    const int before = cv::getNumThreads();
    for (const bool each : {false, true}) {
        CAPTURE(each);
        cv::setNumThreads(each ? 1 : before);
        std::array<int, 4> right{};
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&, t] {
                const auto own = each ? std::make_unique<Detector>(file.path) : nullptr;
                Detector& detector = own ? *own : shared;
                const cv::Size size = t < 2 ? cv::Size(64, 64) : cv::Size(64, 32);
                const cv::Mat image = with_cell(2 + t, 3, t % 2 ? blue : red, size);
                for (int round = 0; round < 20; ++round) {
                    const auto found = detector.detect(image);
                    right[static_cast<std::size_t>(t)] += found.size() == 1 && found[0].class_id == t % 2;
                }
            });
        for (auto& thread : threads) thread.join();
        CHECK(right == std::array<int, 4>{20, 20, 20, 20});
    }
    cv::setNumThreads(before);
}

TEST_CASE("timings tell where the time went") {
    const tiny::File file;
    Detector detector(file.path);
    Timings timings;
    detector.detect(with_cell(3, 2, red), &timings);
    for (const double stage : {timings.letterbox, timings.forward, timings.decode, timings.nms}) CHECK(stage > 0);
    const std::vector<cv::Mat> none;
    detector.detect(none, &timings);
    CHECK(timings.forward == 0);  // of the last call alone
}
