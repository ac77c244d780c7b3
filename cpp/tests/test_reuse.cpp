// SPDX-License-Identifier: Apache-2.0
// From the second image of a size on, nothing is allocated but the result. What OpenCV's own functions allocate for
// themselves is measured beside, on the same call, and taken off.

#include <doctest/doctest.h>
#include <yolov5_dnn.hpp>

#include "count_new.hpp"
#include "tiny_model.hpp"

namespace {

// Counts what matrices allocate, and lets OpenCV's own allocator do it.
class CountingAllocator : public cv::MatAllocator {
public:
    cv::UMatData* allocate(int dims, const int* sizes, int type, void* data, std::size_t* step, cv::AccessFlag flags,
                           cv::UMatUsageFlags usage) const override {
        if (!data) ++allocations;
        return standard_->allocate(dims, sizes, type, data, step, flags, usage);
    }
    bool allocate(cv::UMatData* data, cv::AccessFlag flags, cv::UMatUsageFlags usage) const override {
        return standard_->allocate(data, flags, usage);
    }
    void deallocate(cv::UMatData* data) const override { standard_->deallocate(data); }

private:
    cv::MatAllocator* standard_ = cv::Mat::getStdAllocator();
};

// Counts what `work` allocates, after it has run once.
template <typename Work>
long allocations_of(const Work& work) {
    static CountingAllocator counting;
    cv::MatAllocator* const before = cv::Mat::getDefaultAllocator();
    cv::Mat::setDefaultAllocator(&counting);
    work();
    const long start = allocations;
    work();
    const long count = allocations - start;
    cv::Mat::setDefaultAllocator(before);
    return count;
}

}  // namespace

using namespace yolov5_dnn;

TEST_CASE("the counter counts") {
    CHECK(allocations_of([] {
              std::vector<int> values(100);
              values[0] = 1;
          }) >= 1);
    CHECK(allocations_of([] {
              cv::Mat image(10, 10, CV_8U);
              image.setTo(1);
          }) >= 1);
}

TEST_CASE("letterbox and to_blob allocate nothing of their own") {
    cv::setNumThreads(1);
    const cv::Mat image(90, 160, CV_8UC3, cv::Scalar::all(50));
    cv::Mat canvas, blob;
    const long resize_alone = allocations_of([&] {
        canvas.create(128, 128, CV_8UC3);
        cv::Mat inside = canvas.rowRange(28, 100);
        cv::resize(image, inside, {128, 72}, 0, 0, cv::INTER_LINEAR);
    });
    CHECK(allocations_of([&] { letterbox(image, {128, 128}, 0, canvas); }) == resize_alone);
    CHECK(allocations_of([&] { to_blob(canvas, 1, blob); }) == 0);
    CHECK(allocations_of([&] { to_blob(canvas, 2, blob); }) == 0);

    std::array<cv::Mat, 2> buffers;
    const cv::Mat deep(90, 160, CV_16UC3, cv::Scalar::all(5000));
    CHECK(allocations_of([&] { to_bgr(deep, buffers); }) == 0);
    cv::setNumThreads(-1);
}

TEST_CASE("decode and nms allocate nothing") {
    std::vector<float> map(3 * 7 * 20 * 20);
    for (std::size_t i = 0; i < map.size(); ++i) map[i] = static_cast<float>(i * 2654435761U % 1000) / 100 - 5;
    const std::vector<Head> heads = {{map.data(), 21, 20, 20}};
    const std::vector<Anchors> anchors = {{{10, 13}, {16, 30}, {33, 23}}};
    const std::vector<int> strides = {8};
    Candidates found;
    std::vector<int> kept;
    for (const bool multi_label : {false, true}) {
        CHECK(allocations_of([&] {
                  decode(heads, anchors, strides, {{5, 6}, {6, 7}}, 0.1, multi_label, found);
                  nms(found, 0.45, 300, false, kept);
              }) == 0);
        CHECK(found.size() > 100);
        CHECK(kept.size() > 10);
    }
}

TEST_CASE("a detector allocates the result, and else only what OpenCV does") {
    cv::setNumThreads(1);
    const tiny::File file;
    Detector detector(file.path);
    cv::Mat image(90, 160, CV_8UC3, cv::Scalar::all(0));
    image(cv::Rect(40, 30, 20, 20)).setTo(cv::Scalar(0, 0, 255));
    REQUIRE(detector.detect(image).size() > 0);

    cv::dnn::Net net = cv::dnn::readNetFromONNX(read_model(file.path).buffer);
    const std::vector<cv::String> names = net.getUnconnectedOutLayersNames();
    std::vector<cv::Mat> outputs;
    cv::Mat canvas, blob;
    letterbox(image, {64, 64}, 16, canvas);
    to_blob(canvas, 1, blob);
    const long opencv_alone = allocations_of([&] {
        letterbox(image, {64, 64}, 16, canvas);
        net.setInput(blob);
        net.forward(outputs, names);
    });
    CHECK(allocations_of([&] { detector.detect(image); }) == opencv_alone + 1);
    cv::setNumThreads(-1);
}
