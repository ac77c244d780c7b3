// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>
#include <yolov5_dnn.hpp>

#include <random>

using namespace yolov5_dnn;

namespace {

// A head map that owns its data: (na · (5 + classes), ny, nx), all logits −20 until set.
struct Map {
    int na, classes, ny, nx;
    std::vector<float> data;

    Map(int anchors, int class_count, int rows, int columns)
        : na(anchors), classes(class_count), ny(rows), nx(columns),
          data(static_cast<std::size_t>(anchors * (5 + class_count) * rows * columns), -20.0F) {}

    float& at(int anchor, int channel, int y, int x) {
        return data[static_cast<std::size_t>(((anchor * (5 + classes) + channel) * ny + y) * nx + x)];
    }
    Head head() const { return {data.data(), na * (5 + classes), ny, nx}; }
};

Candidates decoded(const std::vector<Map>& maps, const std::vector<Anchors>& anchors, const std::vector<int>& strides,
                   double conf_thres, bool multi_label = false) {
    std::vector<Head> heads;
    for (const Map& map : maps) heads.push_back(map.head());
    const int end = 5 + maps.at(0).classes;
    Candidates found;
    decode(heads, anchors, strides, {{5, end}, {end, end}}, conf_thres, multi_label, found);
    return found;
}

}  // namespace

TEST_CASE("sigmoid and logit are each other's inverse, and have ends") {
    for (const double p : {0.001, 0.25, 0.5, 0.999}) CHECK(sigmoid(static_cast<float>(logit(p))) == doctest::Approx(p));
    CHECK(sigmoid(1000) == 1);
    CHECK(sigmoid(-1000) == 0);
    CHECK(std::isinf(logit(0)));
    CHECK(logit(0) < 0);
    CHECK(logit(1) > 0);
}

TEST_CASE("a box is where the formula puts it") {
    // σ(0) = 0.5: the middle of cell (3, 2), the anchor's own size.
    CHECK(decode_boxes({0, 0, 0, 0}, {3, 2}, {10, 20}, 8) == cv::Vec4f(28 - 5, 20 - 10, 28 + 5, 20 + 10));
    // The ends: centre from −0.5 to 1.5 cells, size from 0 to 4 anchors.
    CHECK(decode_boxes({-100, 100, 100, -100}, {3, 2}, {10, 20}, 8) == cv::Vec4f(20 - 20, 28, 20 + 20, 28));
}

TEST_CASE("candidates come in the order head, anchor, row, column, class") {
    Map fine(2, 3, 2, 2), coarse(2, 3, 1, 1);
    for (Map* map : {&fine, &coarse})
        for (int a = 0; a < 2; ++a)
            for (int y = 0; y < map->ny; ++y)
                for (int x = 0; x < map->nx; ++x)
                    for (int k = 0; k < 8; ++k) map->at(a, k, y, x) = k < 4 ? 0.0F : 10.0F;
    const std::vector<Anchors> anchors = {{{4, 4}, {6, 6}}, {{10, 10}, {20, 20}}};
    const Candidates all = decoded({fine, coarse}, anchors, {8, 16}, 0.5, true);
    REQUIRE(all.size() == (8 + 2) * 3);
    for (std::size_t i = 0; i < all.size(); ++i) CHECK(all.class_ids[i] == static_cast<int>(i % 3));
    CHECK(all.xyxy[0][2] < all.xyxy[3][2]);   // next column
    CHECK(all.xyxy[3][3] < all.xyxy[6][3]);   // next row
    CHECK(all.xyxy[0][0] > all.xyxy[12][0]);  // next, larger anchor
    // Of equals the first:
    CHECK(decoded({fine, coarse}, anchors, {8, 16}, 0.5).class_ids == std::vector<int>(10, 0));
}

TEST_CASE("a score is objectness times class probability, and must be above the threshold as objectness must") {
    Map map(1, 2, 1, 1);
    const std::vector<Anchors> anchors = {{{4, 4}}};
    map.at(0, 4, 0, 0) = 1;
    map.at(0, 5, 0, 0) = -1;
    map.at(0, 6, 0, 0) = 0.5F;
    const Candidates found = decoded({map}, anchors, {8}, 0.25);
    REQUIRE(found.size() == 1);
    CHECK(found.class_ids[0] == 1);
    CHECK(found.scores[0] == sigmoid(1) * sigmoid(0.5F));
    CHECK(decoded({map}, anchors, {8}, static_cast<double>(found.scores[0])).size() == 0);
    CHECK(decoded({map}, anchors, {8}, static_cast<double>(found.scores[0]) - 1e-6).size() == 1);
    CHECK(decoded({map}, anchors, {8}, 0.1, true).size() == 2);
    map.at(0, 4, 0, 0) = 0;
    CHECK(decoded({map}, anchors, {8}, 0.5).size() == 0);
    CHECK(decoded({map}, anchors, {8}, 0).size() == 1);
    CHECK(decoded({map}, anchors, {8}, 1).size() == 0);
}

TEST_CASE("heads that do not fit are refused") {
    const Map map(2, 3, 2, 2);
    CHECK_THROWS_AS(decoded({map}, {{{1, 1}}, {{1, 1}}}, {8, 16}, 0.25), ModelError);
    CHECK_THROWS_AS(decoded({map}, {{{1, 1}, {1, 1}, {1, 1}}}, {8}, 0.25), ModelError);
    CHECK_THROWS_AS(decoded({map}, {{}}, {8}, 0.25), ModelError);
    Candidates found;
    const std::vector<Anchors> anchors = {{{1, 1}, {1, 1}}};
    for (const Layout& layout : {Layout{{5, 9}, {9, 9}}, Layout{{5, 8}, {8, 12}}, Layout{{5, 5}, {5, 8}}, Layout{}})
        CHECK_THROWS_AS(decode({map.head()}, anchors, {8}, layout, 0.25, false, found), ModelError);
    CHECK_THROWS_AS(head_of(cv::Mat(3, 3, CV_32F)), ModelError);
    const int shape[4] = {1, 16, 2, 2};
    CHECK_THROWS_AS(head_of(cv::Mat(4, shape, CV_8U)), ModelError);
    CHECK_THROWS_AS(head_of(cv::Mat(4, shape, CV_32F), 1), ModelError);
}

TEST_CASE("what is not a number is refused, or found nowhere") {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    Map map(1, 2, 2, 2);
    map.at(0, 4, 1, 1) = nan;
    CHECK_THROWS_AS(decoded({map}, {{{4, 4}}}, {8}, 0.25), ModelError);
    map.at(0, 4, 1, 1) = 10;
    map.at(0, 5, 1, 1) = map.at(0, 6, 1, 1) = nan;
    CHECK(decoded({map}, {{{4, 4}}}, {8}, 0.25).size() == 0);
    CHECK(decoded({map}, {{{4, 4}}}, {8}, 0.25, true).size() == 0);
}

TEST_CASE("a batch is seen image by image") {
    const int shape[4] = {2, 6, 1, 1};
    cv::Mat blob(4, shape, CV_32F, cv::Scalar(0));
    blob.ptr<float>(1)[4] = blob.ptr<float>(1)[5] = 9;
    Candidates found;
    decode({head_of(blob, 0)}, {{{4, 4}}}, {8}, {{5, 6}, {6, 6}}, 0.5, false, found);
    CHECK(found.size() == 0);
    decode({head_of(blob, 1)}, {{{4, 4}}}, {8}, {{5, 6}, {6, 6}}, 0.5, false, found);
    CHECK(found.size() == 1);
}
