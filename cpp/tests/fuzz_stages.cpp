// SPDX-License-Identifier: Apache-2.0
//
// A libFuzzer target for the stages between the network and the picture: arbitrary floats go through decode, NMS, the
// way back from the letterbox, and drawing. See tests/fuzz/README.md.

#include <yolov5_dnn.hpp>

#include <cstring>

namespace {

// Takes values off the front of the fuzzer's bytes; zeros when they have run out.
class Source {
public:
    Source(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

    template <typename T>
    T take() {
        T value{};
        const std::size_t count = std::min(sizeof value, size_);
        if (count) std::memcpy(&value, data_, count);
        data_ += count;
        size_ -= count;
        return value;
    }

    int take(int least, int most) { return least + take<std::uint8_t>() % (most - least + 1); }

private:
    const std::uint8_t* data_;
    std::size_t size_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace yolov5_dnn;
    Source source(data, size);
    const int classes = source.take(1, 3), extra = source.take(0, 2), na = source.take(1, 2);
    const cv::Size image_size(source.take(1, 200), source.take(1, 200)), imgsz(source.take(1, 4) * 16, 32);
    const bool multi_label = source.take(0, 1), agnostic = source.take(0, 1), rect = source.take(0, 1);
    const double conf_thres = source.take(0, 10) / 10.0, iou_thres = source.take(0, 10) / 10.0;

    const cv::Mat image(image_size, CV_8UC3, cv::Scalar::all(source.take(0, 255)));
    cv::Mat canvas, blob;
    const Placement placement = letterbox(image, imgsz, rect ? 16 : 0, canvas);
    to_blob(canvas, source.take(1, 2), blob);

    const int stride = 16, channels = na * (5 + classes + extra);
    const int ny = canvas.rows / stride, nx = canvas.cols / stride;
    std::vector<float> map(static_cast<std::size_t>(channels * ny * nx));
    for (float& value : map) value = source.take<float>();
    Anchors anchors;
    for (int i = 0; i < na; ++i) anchors.emplace_back(source.take<std::uint8_t>(), source.take<std::uint8_t>());

    Candidates candidates, chosen;
    std::vector<int> kept;
    try {
        decode({{map.data(), channels, ny, nx}}, {anchors}, {stride},
               {cv::Range(5, 5 + classes), cv::Range(5 + classes, 5 + classes + extra)}, conf_thres, multi_label,
               candidates);
    } catch (const ModelError&) {
        return 0;
    }
    nms(candidates, iou_thres, 20, agnostic, kept);
    candidates.select(kept, chosen);
    std::vector<Detection> found;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
        const cv::Vec4f box = unletterbox(chosen.xyxy[i], placement, image.size());
        Detection detection;
        detection.class_id = chosen.class_ids[i];
        detection.score = chosen.scores[i];
        detection.box = cv::Rect2f(box[0], box[1], box[2] - box[0], box[3] - box[1]);
        found.push_back(detection);
    }
    draw(image, found, {"a", "b", "c"});
    return 0;
}
