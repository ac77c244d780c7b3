// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>
#include <yolov5_dnn.hpp>

#include <numeric>
#include <random>

using namespace yolov5_dnn;

namespace {

std::vector<int> kept_of(const Candidates& candidates, double iou_thres, int max_det = 1000, bool agnostic = false) {
    std::vector<int> kept;
    nms(candidates, iou_thres, max_det, agnostic, kept);
    return kept;
}

Candidates random_candidates(std::mt19937& random, std::size_t count, int classes, bool with_ties) {
    std::uniform_real_distribution<float> position(0, 100), size(1, 60), score(0, 1);
    Candidates candidates;
    candidates.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        const float x = position(random), y = position(random);
        candidates.xyxy[i] = {x, y, x + size(random), y + size(random)};
        candidates.scores[i] = with_ties ? std::round(score(random) * 4) / 4 : score(random);
        candidates.class_ids[i] = static_cast<int>(random() % static_cast<unsigned>(classes));
    }
    return candidates;
}

// The definition, word for word: a box stays if none of those that stay and come before it overlaps too much.
std::vector<int> slow_nms(const Candidates& candidates, double iou_thres, std::size_t max_det, bool agnostic) {
    std::vector<int> order(candidates.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
        return candidates.scores[static_cast<std::size_t>(a)] > candidates.scores[static_cast<std::size_t>(b)];
    });
    std::vector<int> kept;
    for (const int index : order) {
        const auto i = static_cast<std::size_t>(index);
        bool stays = true;
        for (const int other : kept) {
            const auto j = static_cast<std::size_t>(other);
            const bool rivals = agnostic || candidates.class_ids[i] == candidates.class_ids[j];
            if (rivals && static_cast<double>(iou(candidates.xyxy[i], candidates.xyxy[j])) > iou_thres) stays = false;
        }
        if (stays) kept.push_back(index);
    }
    if (kept.size() > max_det) kept.resize(max_det);
    return kept;
}

}  // namespace

TEST_CASE("intersection over union") {
    CHECK(iou({0, 0, 2, 2}, {0, 0, 2, 2}) == 1);
    CHECK(iou({0, 0, 2, 2}, {1, 0, 3, 2}) == doctest::Approx(1.0 / 3));
    CHECK(iou({0, 0, 2, 2}, {2, 0, 4, 2}) == 0);
    CHECK(iou({0, 0, 4, 4}, {1, 1, 2, 2}) == doctest::Approx(1.0 / 16));
    CHECK(std::isnan(iou({1, 1, 1, 1}, {1, 1, 1, 1})));
}

TEST_CASE("of overlapping boxes the best stays, of its class") {
    Candidates candidates;
    candidates.xyxy = {{0, 0, 10, 10}, {1, 1, 11, 11}, {50, 50, 60, 60}, {0, 0, 10, 10}};
    candidates.scores = {0.5F, 0.9F, 0.7F, 0.6F};
    candidates.class_ids = {0, 0, 0, 1};
    CHECK(kept_of(candidates, 0.5) == std::vector<int>{1, 2, 3});
    CHECK(kept_of(candidates, 0.5, 1000, true) == std::vector<int>{1, 2});
    CHECK(kept_of(candidates, 0.9) == std::vector<int>{1, 2, 3, 0});
    CHECK(kept_of(candidates, 0.5, 2) == std::vector<int>{1, 2});
    CHECK(kept_of(Candidates(), 0.5).empty());
}

TEST_CASE("an overlap of exactly the threshold is allowed") {
    Candidates candidates;
    candidates.xyxy = {{0, 0, 2, 2}, {0, 0, 2, 1}};
    candidates.scores = {0.9F, 0.8F};
    candidates.class_ids = {0, 0};
    CHECK(kept_of(candidates, 0.5).size() == 2);
    CHECK(kept_of(candidates, 0.4999).size() == 1);
    candidates.xyxy = {{0, 0, 5, 1}, {0, 0, 3, 1}};  // 3/5 is a little more than 0.6 in floats
    CHECK(kept_of(candidates, 0.6).size() == 1);
}

TEST_CASE("equal scores keep their order") {
    Candidates candidates;
    for (int i = 0; i < 100; ++i) {
        const auto x = static_cast<float>(20 * i);
        candidates.xyxy.push_back({x, 0, x + 10, 10});
        candidates.scores.push_back(0.5F);
        candidates.class_ids.push_back(0);
    }
    std::vector<int> in_order(100);
    std::iota(in_order.begin(), in_order.end(), 0);
    CHECK(kept_of(candidates, 0.5) == in_order);
}

TEST_CASE("random boxes give what the definition gives") {
    std::mt19937 random(3);
    for (int round = 0; round < 200; ++round) {
        const std::size_t count = random() % 120;
        const Candidates candidates =
            random_candidates(random, count, 1 + static_cast<int>(random() % 4), round % 2 == 0);
        const double iou_thres = std::array<double, 5>{0, 0.2, 0.45, 0.9, 1}[random() % 5];
        const int max_det = round % 5 ? 1000 : 7;
        for (const bool agnostic : {false, true})
            CHECK(kept_of(candidates, iou_thres, max_det, agnostic) ==
                  slow_nms(candidates, iou_thres, static_cast<std::size_t>(max_det), agnostic));
    }
}

TEST_CASE("only the best 30000 candidates are looked at") {
    Candidates candidates;
    for (int i = 0; i < 30002; ++i) {
        const auto x = static_cast<float>(20 * i);
        candidates.xyxy.push_back({x, 0, x + 10, 10});
        candidates.scores.push_back(static_cast<float>(i + 1) / 30002.0F);
        candidates.class_ids.push_back(i);  // no rivals, so that every one looked at would stay
    }
    const std::vector<int> kept = kept_of(candidates, 0.5, 1000);
    REQUIRE(kept.size() == 1000);
    CHECK(kept[0] == 30001);
    CHECK(kept[999] == 29002);
    candidates.xyxy.assign(30002, {0, 0, 10, 10});               // all fall to the best
    candidates.xyxy[0] = candidates.xyxy[1] = {50, 50, 60, 60};  // but for the two worst, out of sight
    candidates.class_ids.assign(30002, 0);
    CHECK(kept_of(candidates, 0.5) == std::vector<int>{30001});
}
