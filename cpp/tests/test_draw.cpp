// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>
#include <yolov5_dnn.hpp>

using namespace yolov5_dnn;

namespace {

// Is the pixel of this colour, or nearly so? Smooth lines are mixed with what lies beneath.
bool is(const cv::Mat& image, int x, int y, const cv::Scalar& colour) {
    const cv::Vec3b value = image.at<cv::Vec3b>(y, x);
    for (int c = 0; c < 3; ++c)
        if (std::abs(value[c] - colour[c]) > 25) return false;
    return true;
}

}  // namespace

TEST_CASE("boxes are drawn on a copy, in their class's colour") {
    const cv::Mat image(400, 600, CV_8UC3, cv::Scalar::all(40)), before = image.clone();
    const cv::Mat picture = draw(image, {{1, 0.876F, {100, 150, 200, 100}}}, {"cat", "dog"});
    CHECK(cv::norm(image, before, cv::NORM_INF) == 0);
    REQUIRE(picture.size() == image.size());
    CHECK(is(picture, 100, 200, class_colour(1)));  // left edge
    CHECK(is(picture, 250, 250, class_colour(1)));  // lower edge
    CHECK(is(picture, 200, 200, cv::Scalar::all(40)));
    CHECK(is(picture, 101, 145, class_colour(1)));  // the label, above
    CHECK(is(picture, 101, 300, cv::Scalar::all(40)));
}

TEST_CASE("colours of neighbouring classes differ, and text on them can be read") {
    for (int i = 0; i < 100; ++i) {
        const cv::Scalar colour = class_colour(i);
        for (int c = 0; c < 3; ++c) CHECK((colour[c] >= 0 && colour[c] <= 255));
        CHECK(cv::norm(colour, class_colour(i + 1)) > 60);
    }
    // The formula of the comment, by hand: hue 0.57, saturation 0.85, value 1 → sector 3, f = 0.42.
    CHECK(class_colour(0) == cv::Scalar(255, std::nearbyint(255 * (1 - 0.85 * 0.42)), std::nearbyint(255 * 0.15)));
    CHECK(text_colour({255, 255, 255}) == cv::Scalar::all(0));
    CHECK(text_colour({200, 0, 0}) == cv::Scalar::all(255));
}

TEST_CASE("labels stay inside, whatever the image, the box and the name") {
    const std::string name(300, 'x');
    for (const cv::Size size : {cv::Size(1, 1), cv::Size(20, 300), cv::Size(300, 20), cv::Size(640, 480)})
        for (const cv::Rect2f& box : {cv::Rect2f(0, 0, 1, 1), cv::Rect2f(0, 0, 640, 480), cv::Rect2f(639, 479, 1, 1)})
            for (const char* const label : {"", "cat", "日本語 😀", "\xFF\xFE broken", "tab\tand\nline", name.c_str()})
                CHECK(draw(cv::Mat(size, CV_8UC3, cv::Scalar(0)), {{0, 1, box}}, {label}).size() == size);
}

TEST_CASE("labels do not cover each other, and can be left out") {
    const cv::Mat image(300, 300, CV_8UC3, cv::Scalar::all(90));
    const cv::Rect2f box(100, 100, 80, 80);
    const std::vector<Detection> both = {{0, 0.9F, box}, {1, 0.5F, box}};
    const cv::Mat picture = draw(image, both, {"a", "b"});
    CHECK(is(picture, 100, 97, class_colour(0)));   // above the box
    CHECK(is(picture, 100, 183, class_colour(1)));  // below it
    DrawOptions bare;
    bare.hide_labels = true;
    CHECK(is(draw(image, both, {"a", "b"}, bare), 100, 95, cv::Scalar::all(90)));
    CHECK(is(draw(image, both, {"a", "b"}, bare), 100, 140, class_colour(0)));
}

TEST_CASE("without its score a label is shorter") {
    const cv::Mat image(300, 300, CV_8UC3, cv::Scalar::all(90));
    DrawOptions names_only;
    names_only.hide_conf = true;
    const auto width = [&](const DrawOptions& options) {
        const cv::Mat picture = draw(image, {{0, 0.9F, {10, 100, 250, 80}}}, {"a"}, options);
        int x = 10;
        while (is(picture, x, 97, class_colour(0))) ++x;
        return x - 10;
    };
    CHECK(width({}) > 30);
    CHECK(width(names_only) < 20);
    CHECK(width(names_only) > 5);
}

TEST_CASE("boxes have a rim and lines as wide as asked for") {
    const cv::Mat image(300, 300, CV_8UC3, cv::Scalar::all(90));
    DrawOptions wide;
    wide.line_thickness = 9;
    const auto column = [&](const DrawOptions& options) {
        const cv::Mat picture = draw(image, {{0, 0.9F, {100, 100, 80, 80}}}, {"a"}, options);
        int coloured = 0, rim = 0;
        for (int x = 80; x < 120; ++x) {
            coloured += is(picture, x, 140, class_colour(0));
            rim += is(picture, x, 140, text_colour(class_colour(0)));
        }
        return std::array<int, 2>{coloured, rim};
    };
    CHECK(column({}) == std::array<int, 2>{3, 2});
    CHECK(column(wide)[0] >= 9);
    CHECK(column(wide)[1] == 2);
}

TEST_CASE("the best is drawn over the others") {
    const cv::Mat image(100, 100, CV_8UC3, cv::Scalar(0));
    const cv::Rect2f box(10, 60, 50, 30);
    const cv::Mat picture = draw(image, {{0, 0.9F, box}, {1, 0.5F, box}}, {"a", "b"});
    CHECK(is(picture, 10, 75, class_colour(0)));
}

TEST_CASE("grey and 16-bit images become coloured") {
    CHECK(draw(cv::Mat(50, 50, CV_8UC1, cv::Scalar(9)), {}, {}).type() == CV_8UC3);
    CHECK(draw(cv::Mat(50, 50, CV_16UC1, cv::Scalar(9 << 8)), {}, {}).at<cv::Vec3b>(0, 0) == cv::Vec3b(9, 9, 9));
}

TEST_CASE("characters that cannot be drawn become question marks") {
    CHECK(detail::printable("a\x01\x7F\xFFz") == "a???z");
#if CV_VERSION_MAJOR < 5
    CHECK(detail::printable("Käse 奶酪") == "K?se ??");
#else
    CHECK(detail::printable("Käse 奶酪") == "Käse 奶酪");
#endif
}
