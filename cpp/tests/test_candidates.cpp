// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>
#include <yolov5_dnn.hpp>

using namespace yolov5_dnn;

namespace {

// Candidates number `first` to `end`, each value of which tells its number.
Candidates numbered(int first, int end, std::size_t extra_width) {
    Candidates candidates;
    candidates.extra_width = extra_width;
    for (int i = first; i < end; ++i) {
        const auto value = static_cast<float>(i);
        candidates.xyxy.push_back({value, value, value + 1, value + 1});
        candidates.scores.push_back(value / 16);
        candidates.class_ids.push_back(i);
        for (std::size_t e = 0; e < extra_width; ++e) candidates.extra.push_back(value + static_cast<float>(e) / 4);
    }
    return candidates;
}

bool same(const Candidates& a, const Candidates& b) {
    return a.xyxy == b.xyxy && a.scores == b.scores && a.class_ids == b.class_ids && a.extra == b.extra &&
           a.extra_width == b.extra_width;
}

}  // namespace

TEST_CASE("selecting takes every column along, in the order of the indices") {
    for (const std::size_t extra_width : {0U, 3U}) {
        Candidates chosen = numbered(7, 9, 1);  // what was there before is gone
        numbered(0, 5, extra_width).select({3, 1, 1}, chosen);
        Candidates expected = numbered(3, 4, extra_width);
        expected.append(numbered(1, 2, extra_width));
        expected.append(numbered(1, 2, extra_width));
        CHECK(same(chosen, expected));
        numbered(0, 5, extra_width).select({}, chosen);
        CHECK(chosen.size() == 0);
        CHECK(chosen.extra.empty());
    }
}

TEST_CASE("joining is the inverse of cutting in two") {
    for (const std::size_t extra_width : {0U, 2U}) {
        Candidates joined = numbered(0, 2, extra_width);
        joined.append(numbered(2, 6, extra_width));
        CHECK(same(joined, numbered(0, 6, extra_width)));
        Candidates none;
        none.append(joined);
        CHECK(same(none, joined));
        joined.append(Candidates());
        CHECK(same(joined, none));
    }
    Candidates two = numbered(0, 1, 2);
    CHECK_THROWS_WITH_AS(two.append(numbered(1, 2, 3)), "candidates with 2 and with 3 extra values cannot be joined",
                         InputError);
    CHECK(same(two, numbered(0, 1, 2)));
}
