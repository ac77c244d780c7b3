// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>
#include <yolov5_dnn.hpp>

#include <random>

using namespace yolov5_dnn;

namespace {

cv::Mat noise(int rows, int cols, int type) {
    cv::Mat image(rows, cols, type);
    cv::randu(image, 0, 256);
    return image;
}

bool same(const cv::Mat& a, const cv::Mat& b) {
    return a.size() == b.size() && a.type() == b.type() && cv::norm(a, b, cv::NORM_INF) == 0;
}

bool is_grey(const cv::Mat& part) {
    return part.empty() || same(part, cv::Mat(part.size(), CV_8UC3, cv::Scalar::all(114)));
}

}  // namespace

TEST_CASE("the canvas is the smallest multiple of the stride that holds the scaled image") {
    CHECK(letterbox_shape({810, 1080}, {640, 640}) == cv::Size(640, 640));
    CHECK(letterbox_shape({810, 1080}, {640, 640}, 32) == cv::Size(480, 640));
    CHECK(letterbox_shape({1280, 720}, {640, 640}, 32) == cv::Size(640, 384));
    CHECK(letterbox_shape({1, 1}, {640, 640}, 32) == cv::Size(640, 640));
    CHECK(letterbox_shape({30000, 20}, {640, 640}, 32) == cv::Size(640, 32));
    CHECK(letterbox_shape({20, 30000}, {640, 640}, 64) == cv::Size(64, 640));
}

TEST_CASE("the image lies in the middle of grey, scaled evenly") {
    const cv::Mat image = noise(45, 80, CV_8UC3);
    cv::Mat canvas;
    const Placement placement = letterbox(image, {160, 160}, 0, canvas);
    REQUIRE(canvas.size() == cv::Size(160, 160));
    CHECK(placement.scale == 2);
    CHECK(placement.pad_x == 0);
    CHECK(placement.pad_y == 35);
    CHECK(is_grey(canvas.rowRange(0, 35)));
    CHECK(is_grey(canvas.rowRange(125, 160)));
    cv::Mat resized;
    cv::resize(image, resized, {160, 90}, 0, 0, cv::INTER_LINEAR);
    CHECK(same(canvas.rowRange(35, 125), resized));
}

TEST_CASE("an image of the right size is copied as it is") {
    const cv::Mat image = noise(64, 96, CV_8UC3);
    cv::Mat canvas;
    const Placement placement = letterbox(image, {96, 96}, 32, canvas);
    CHECK(same(canvas, image));
    CHECK(placement.scale == 1);
    CHECK(placement.pad_y == 0);
}

TEST_CASE("an odd grey row more goes below, halves round to even") {
    cv::Mat canvas;
    const Placement placement = letterbox(noise(61, 64, CV_8UC3), {64, 64}, 0, canvas);
    CHECK(is_grey(canvas.rowRange(0, 1)));
    CHECK_FALSE(is_grey(canvas.rowRange(1, 2)));
    CHECK(is_grey(canvas.rowRange(62, 64)));
    CHECK(placement.pad_y == 1.5);
    CHECK(detail::round(0.5) == 0);
    CHECK(detail::round(1.5) == 2);
    CHECK(detail::round(2.5) == 2);
}

TEST_CASE("what the canvas held before does not shine through") {
    cv::Mat canvas(64, 64, CV_8UC3, cv::Scalar::all(7)), fresh;
    const cv::Mat image = noise(20, 50, CV_8UC3);
    letterbox(image, {64, 64}, 0, canvas);
    letterbox(image, {64, 64}, 0, fresh);
    CHECK(same(canvas, fresh));
}

TEST_CASE("images of any shape fit") {
    for (const cv::Size size : {cv::Size(1, 1), cv::Size(30000, 20), cv::Size(20, 30000), cv::Size(1, 5000)}) {
        for (const int stride : {0, 32}) {
            cv::Mat canvas;
            const Placement placement = letterbox(noise(size.height, size.width, CV_8UC3), {640, 640}, stride, canvas);
            CHECK(canvas.size() == letterbox_shape(size, {640, 640}, stride));
            CHECK(size.width * placement.scale <= canvas.cols + 1e-9);
            CHECK(size.height * placement.scale <= canvas.rows + 1e-9);
        }
    }
}

TEST_CASE("unletterbox leads back and clips to the image") {
    std::mt19937 random(2);
    std::uniform_real_distribution<float> share(0, 1);
    for (const cv::Size size : {cv::Size(810, 1080), cv::Size(33, 17), cv::Size(4000, 100)}) {
        cv::Mat canvas;
        const Placement placement = letterbox(noise(size.height, size.width, CV_8UC3), {640, 640}, 32, canvas);
        for (int round = 0; round < 100; ++round) {
            const float x = share(random) * static_cast<float>(size.width);
            const float y = share(random) * static_cast<float>(size.height);
            const auto on_canvas_x = static_cast<float>(x * placement.scale + placement.pad_x);
            const auto on_canvas_y = static_cast<float>(y * placement.scale + placement.pad_y);
            const cv::Vec4f back = unletterbox({on_canvas_x, on_canvas_y, 1e6F, 1e6F}, placement, size);
            const double pixel = 1e-4 / placement.scale;
            CHECK(back[0] == doctest::Approx(x).epsilon(pixel));
            CHECK(back[1] == doctest::Approx(y).epsilon(pixel));
            CHECK(back[2] == size.width);
            CHECK(back[3] == size.height);
        }
        CHECK(unletterbox({-1e6F, -1e6F, -1e6F, -1e6F}, placement, size) == cv::Vec4f(0, 0, 0, 0));
    }
}

TEST_CASE("the blob is RGB by planes, bytes divided by 255") {
    const cv::Mat canvas = noise(4, 6, CV_8UC3);
    cv::Mat blob;
    to_blob(canvas, 1, blob);
    REQUIRE(blob.dims == 4);
    CHECK(blob.size[1] == 3);
    CHECK(blob.size[2] == 4);
    CHECK(blob.size[3] == 6);
    for (int c = 0; c < 3; ++c)
        for (int y = 0; y < 4; ++y)
            for (int x = 0; x < 6; ++x)
                CHECK(blob.ptr<float>(0, c, y)[x] == static_cast<float>(canvas.at<cv::Vec3b>(y, x)[2 - c]) / 255.0F);
}

TEST_CASE("a folded blob holds squares of pixels as channels, in the order of Focus") {
    const cv::Mat canvas = noise(6, 12, CV_8UC3);
    cv::Mat blob;
    for (const int fold : {2, 3}) {
        to_blob(canvas, fold, blob);
        REQUIRE(blob.size[1] == 3 * fold * fold);
        REQUIRE(blob.size[2] == 6 / fold);
        REQUIRE(blob.size[3] == 12 / fold);
        for (int dx = 0; dx < fold; ++dx)
            for (int dy = 0; dy < fold; ++dy)
                for (int c = 0; c < 3; ++c)
                    for (int y = 0; y < 6 / fold; ++y)
                        for (int x = 0; x < 12 / fold; ++x)
                            CHECK(blob.ptr<float>(0, (dx * fold + dy) * 3 + c, y)[x] ==
                                  static_cast<float>(canvas.at<cv::Vec3b>(y * fold + dy, x * fold + dx)[2 - c]) /
                                      255.0F);
    }
}

TEST_CASE("images of other kinds become BGR with 8 bits") {
    std::array<cv::Mat, 2> buffers;
    const cv::Mat grey_image = noise(5, 7, CV_8UC1), bgr = noise(5, 7, CV_8UC3), bgra = noise(5, 7, CV_8UC4);
    CHECK(to_bgr(bgr, buffers).data == bgr.data);
    cv::Mat expected;
    cv::cvtColor(grey_image, expected, cv::COLOR_GRAY2BGR);
    CHECK(same(to_bgr(grey_image, buffers), expected));
    cv::cvtColor(bgra, expected, cv::COLOR_BGRA2BGR);
    CHECK(same(to_bgr(bgra, buffers), expected));

    cv::Mat deep(1, 4, CV_16UC3);
    deep.at<cv::Vec3w>(0, 0) = {0, 255, 256};
    deep.at<cv::Vec3w>(0, 1) = {511, 512, 65535};
    deep.at<cv::Vec3w>(0, 2) = {32767, 32768, 65280};
    deep.at<cv::Vec3w>(0, 3) = {1, 2, 3};
    const cv::Mat bytes = to_bgr(deep, buffers);
    CHECK(bytes.at<cv::Vec3b>(0, 0) == cv::Vec3b(0, 0, 1));
    CHECK(bytes.at<cv::Vec3b>(0, 1) == cv::Vec3b(1, 2, 255));
    CHECK(bytes.at<cv::Vec3b>(0, 2) == cv::Vec3b(127, 128, 255));
    const cv::Mat deep_grey(3, 3, CV_16UC1, cv::Scalar(700));
    CHECK(to_bgr(deep_grey, buffers).at<cv::Vec3b>(1, 1) == cv::Vec3b(2, 2, 2));
}

TEST_CASE("what is no image is refused") {
    std::array<cv::Mat, 2> buffers;
    CHECK_THROWS_AS(to_bgr(cv::Mat(), buffers), InputError);
    CHECK_THROWS_AS(to_bgr(cv::Mat(0, 5, CV_8UC3), buffers), InputError);
    CHECK_THROWS_AS(to_bgr(cv::Mat::zeros(5, 5, CV_32FC3), buffers), InputError);
    CHECK_THROWS_AS(to_bgr(cv::Mat::zeros(5, 5, CV_8SC3), buffers), InputError);
    CHECK_THROWS_AS(to_bgr(cv::Mat::zeros(5, 5, CV_8UC2), buffers), InputError);
    const int shape[3] = {4, 4, 4};
    CHECK_THROWS_AS(to_bgr(cv::Mat(3, shape, CV_8UC3, cv::Scalar(0)), buffers), InputError);
}
