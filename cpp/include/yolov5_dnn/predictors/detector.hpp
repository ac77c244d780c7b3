// SPDX-License-Identifier: Apache-2.0
// The detector: letterbox → network → decode → NMS, on one image after the other.

#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <opencv2/core.hpp>

#include "../stages/candidates.hpp"
#include "../stages/decode.hpp"
#include "../results/detections.hpp"
#include "../engines/devices.hpp"
#include "../errors.hpp"
#include "../stages/letterbox.hpp"
#include "../tasks/read_info.hpp"
#include "../model/file.hpp"
#include "../tasks/model_info.hpp"
#include "../engines/network.hpp"
#include "../stages/nms.hpp"
#include "../tasks/tasks.hpp"
#include "tiles.hpp"
#include "../unicode.hpp"

namespace yolov5_dnn {

// What a Detector is asked for; the fields are called as the arguments of Python's.
struct Options {
    std::string device = "cpu";  // one of `available_devices()`
    cv::Size imgsz;              // size to letterbox to, rounded up to `size_multiple`; empty = the model's own
    // Boxes must score above conf_thres, 0 to 1; of boxes of one class that overlap more than iou_thres, 0 to 1, the
    // worse ones are lost. By default what is usual for the model's task: 0.25 and 0.45, 0.6 and 0.5 for keypoints, and
    // 0.7 for the overlap of models without anchors.
    std::optional<double> conf_thres, iou_thres;
    int max_det = 1000;                // the most boxes an image may have
    std::vector<std::string> classes;  // names or numbers of the only classes to look for; empty = all
    bool agnostic_nms = false;         // let boxes of different classes suppress each other, too
    bool multi_label = false;          // give a box every class that scores high enough: what evaluations do
    bool rect = true;                  // pad as little as the network allows; false: always to the full imgsz
    // Look at the whole image and also at overlapping tiles of so many pixels a side: for objects that would be too small
    // for the network if a large image were scaled down to its input. The model's input size is a good choice; a forward
    // pass for each tile is the price.
    std::optional<int> tiles;

    // These replace the model file's; all three serve a file without metadata.
    std::vector<std::string> names;
    std::vector<Anchors> anchors;
    std::vector<int> strides;
};

// Milliseconds that the images of one call spent in each stage.
struct Timings {
    double letterbox = 0;  // with the conversion to float
    double forward = 0;
    double decode = 0;
    double nms = 0;
};

namespace detail {

// What the options say in place of a model file.
inline ModelInfo given_info(const Options& options) {
    ModelInfo given;
    given.names = options.names;
    given.anchors = options.anchors;
    given.strides = options.strides;
    return given;
}

// Gives the options back if they are right. Throws InputError.
inline const Options& checked(const Options& options) {
    const auto share = [](std::optional<double> value, const std::string& name) {
        if (value && !(*value >= 0 && *value <= 1))
            throw InputError(name + " must be a number from 0 to 1, not " + std::to_string(*value));
    };
    share(options.conf_thres, "conf_thres");
    share(options.iou_thres, "iou_thres");
    if (options.max_det < 1)
        throw InputError("max_det must be a whole number of at least 1, not " + std::to_string(options.max_det));
    if (options.tiles && *options.tiles < min_tile)
        throw InputError("tiles must be a whole number of at least " + std::to_string(min_tile) + " pixels, not " +
                         std::to_string(*options.tiles));
    return options;
}

// Turns names and numbers of classes into numbers.
inline std::vector<int> class_ids(const std::vector<std::string>& classes, const std::vector<std::string>& names) {
    std::vector<int> ids;
    for (const std::string& each : classes) {
        const std::size_t before = ids.size();
        for (std::size_t i = 0; i < names.size(); ++i)
            if (names[i] == each) ids.push_back(static_cast<int>(i));
        if (ids.size() > before) continue;
        const bool decimal = each.find_first_not_of("0123456789") == std::string::npos;
        if (decimal && !each.empty() && each.size() < 10 && std::stoul(each) < names.size()) {
            ids.push_back(std::stoi(each));
            continue;
        }
        std::string known;
        for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 100); ++i) known += (i ? ", " : "") + names[i];
        throw InputError("there is no class '" + each + "'; the model has 0 to " + std::to_string(names.size() - 1) +
                         ": " + known);
    }
    return ids;
}

// Reads the ModelInfo of a model that finds boxes. Throws ModelError for any other.
inline ModelInfo box_info(const ModelFile& file, const Options& options) {
    ModelInfo info = read_info(file.metadata, file.path, given_info(options));
    if (!info.head->decode)
        throw ModelError(utf8(file.path) + " is no model to detect with; it is for " + info.head->user);
    return info;
}

// Throws ModelError if something in candidates is not a number, or an infinite one.
inline void check_finite(const Candidates& candidates) {
    const auto finite = [](float value) { return std::isfinite(value); };
    bool all = std::all_of(candidates.scores.begin(), candidates.scores.end(), finite) &&
               std::all_of(candidates.extra.begin(), candidates.extra.end(), finite);
    for (const cv::Vec4f& box : candidates.xyxy) all = all && std::all_of(box.val, box.val + 4, finite);
    if (!all) throw ModelError(not_finite);
}

}  // namespace detail

// A YOLOv5 network that finds boxes, ready to be called on images: letterbox → network → decode → NMS. Models for
// segmentation give each Detection a mask, those for faces keypoints.
//
// A detector may be called from several threads: a lock lets one call through at a time. To use several
// processor cores better than OpenCV does alone, give each thread its own detector.
class Detector {
public:
    // `model` is a file made by `python -m convert`.
    // Throws ModelError for the file, DeviceError for the device, InputError for any other option.
    explicit Detector(const std::filesystem::path& model, const Options& options = {})
        : Detector(read_model(model), options) {}

    // The same of a file that `read_model` gave, which is not read again; it need not outlive the detector.
    explicit Detector(const ModelFile& file, const Options& options = {})
        : options_(detail::checked(options)), info_(detail::box_info(file, options)),
          conf_thres_(options.conf_thres.value_or(info_.head->conf_thres)),
          iou_thres_(options.iou_thres.value_or(info_.usual_iou_thres(info_.head->iou_thres))),
          classes_(detail::class_ids(options.classes, info_.names)),
          imgsz_(detail::input_size(options.imgsz, info_, info_.dynamic || !file.metadata.count("imgsz"))),
          multiple_(info_.dynamic && options.rect ? info_.size_multiple : 0),
          network_((file.check_input(info_.input_shape(imgsz_)), file), info_, find_device(options.device)) {}

    // What the model file says.
    const ModelInfo& info() const { return info_; }

    // Size in use, to letterbox to.
    cv::Size imgsz() const { return imgsz_; }

    // Runs once on a grey image: the first forward pass prepares the network, which can take long.
    void warmup() {
        const cv::Mat values(imgsz_.height, imgsz_.width * info_.channels, CV_8U, cv::Scalar(grey));
        detect(values.reshape(info_.channels));
    }

    // Finds what is in an image: BGR, 8 bits; also grey or BGRA, and 16 bits; for a model of one channel, too, which gets
    // it in grey. For a model of another number of channels, `info().channels`, an image of so many, as they are. Best
    // first. `timings`, if given, is told where the time of this call went.
    // Throws InputError for anything that is not an image, ModelError if the network doesn't fit its metadata, or what
    // it says is not a number.
    std::vector<Detection> detect(const cv::Mat& image, Timings* timings = nullptr) {
        const std::lock_guard<std::mutex> lock(mutex_);
        Timings spent;
        std::vector<Detection> found = options_.tiles ? run_tiles(image, spent) : run(image, spent);
        if (timings) *timings = spent;
        return found;
    }

    std::vector<Detection> operator()(const cv::Mat& image, Timings* timings = nullptr) {
        return detect(image, timings);
    }

    // The same for each of several images; the timings are sums.
    std::vector<std::vector<Detection>> detect(const std::vector<cv::Mat>& images, Timings* timings = nullptr) {
        const std::lock_guard<std::mutex> lock(mutex_);
        Timings spent;
        std::vector<std::vector<Detection>> found;
        for (const cv::Mat& image : images)
            found.push_back(options_.tiles ? run_tiles(image, spent) : run(image, spent));
        if (timings) *timings = spent;
        return found;
    }

private:
    using Clock = std::chrono::steady_clock;

    static double ms(Clock::duration time) { return std::chrono::duration<double, std::milli>(time).count(); }

    // Runs the four stages on the whole of an image and on its tiles.
    std::vector<Detection> run_tiles(const cv::Mat& picture, Timings& timings) {
        const Clock::time_point start = Clock::now();
        const cv::Mat image = to_channels(picture, info_.channels, conversions_);
        timings.letterbox += ms(Clock::now() - start);
        const std::vector<Window> windows = tile_windows(image.size(), *options_.tiles);
        std::vector<std::vector<Detection>> parts;
        for (const Window& each : windows)
            parts.push_back(run(image(cv::Range(each.top, each.bottom), cv::Range(each.left, each.right)), timings));
        if (parts.size() == 1) return parts[0];
        const Clock::time_point found = Clock::now();
        std::vector<Detection> merged =
            merge_windows(parts, windows, image.size(), iou_thres_, options_.max_det, options_.agnostic_nms);
        timings.nms += ms(Clock::now() - found);
        return merged;
    }

    // Runs the four stages and adds to each one's milliseconds.
    std::vector<Detection> run(const cv::Mat& picture, Timings& timings) {
        const Clock::time_point start = Clock::now();
        const cv::Mat image = to_channels(picture, info_.channels, conversions_);
        prepare_buffers(letterbox_shape(image.size(), imgsz_, multiple_));
        const Placement placement = letterbox(image, imgsz_, multiple_, canvas_);
        to_blob(canvas_, info_.fold, blob_);
        if (info_.input_scale != 1) blob_ *= info_.input_scale;

        const Clock::time_point letterboxed = Clock::now();
        const std::vector<cv::Mat>& outputs = network_(blob_);

        const Clock::time_point forwarded = Clock::now();
        heads_.clear();
        const std::size_t heads = std::max<std::size_t>(1, info_.strides.size());  // decoded boxes have no strides
        for (std::size_t i = 0; i < heads; ++i) heads_.push_back(head_of(outputs[i]));
        info_.head->decode(info_, heads_, conf_thres_, options_.multi_label, candidates_);
        if (!classes_.empty()) keep_wanted_classes();

        const Clock::time_point decoded = Clock::now();
        nms(candidates_, iou_thres_, options_.max_det, options_.agnostic_nms, kept_);
        candidates_.select(kept_, chosen_);
        detail::check_finite(chosen_);
        std::vector<Detection> found;
        found.reserve(chosen_.size());
        for (std::size_t i = 0; i < chosen_.size(); ++i) {
            const cv::Vec4f box = unletterbox(chosen_.xyxy[i], placement, image.size());
            found.push_back({chosen_.class_ids[i], chosen_.scores[i],
                             cv::Rect2f(box[0], box[1], box[2] - box[0], box[3] - box[1])});
        }
        if (info_.head->complete) info_.head->complete(info_, chosen_, outputs, placement, image.size(), found);
        const Clock::time_point end = Clock::now();

        timings.letterbox += ms(letterboxed - start);
        timings.forward += ms(forwarded - letterboxed);
        timings.decode += ms(decoded - forwarded);
        timings.nms += ms(end - decoded);
        return found;
    }

    void keep_wanted_classes() {
        kept_.clear();
        for (std::size_t i = 0; i < candidates_.size(); ++i)
            if (std::find(classes_.begin(), classes_.end(), candidates_.class_ids[i]) != classes_.end())
                kept_.push_back(static_cast<int>(i));
        candidates_.select(kept_, chosen_);
        std::swap(candidates_, chosen_);
    }

    // Lays canvas and blob of this size over memory that only grows.
    void prepare_buffers(cv::Size size) {
        if (canvas_.size() == size) return;
        const std::size_t values = static_cast<std::size_t>(size.width) * static_cast<std::size_t>(size.height) *
                                   static_cast<std::size_t>(info_.channels);
        if (blob_memory_.size() < values) {
            canvas_memory_.resize(values);
            blob_memory_.resize(values);
        }
        const int fold = info_.fold;
        const std::array<int, 4> shape = {1, info_.channels * fold * fold, size.height / fold, size.width / fold};
        canvas_ = cv::Mat(size, CV_8UC(info_.channels), canvas_memory_.data());
        blob_ = cv::Mat(4, shape.data(), CV_32F, blob_memory_.data());
    }

    Options options_;
    ModelInfo info_;
    double conf_thres_, iou_thres_;
    std::vector<int> classes_;  // wanted; empty = all
    cv::Size imgsz_;
    int multiple_;  // of the rectangular letterbox; 0 for the full imgsz

    std::mutex mutex_;  // guards what follows
    Network network_;
    std::array<cv::Mat, 2> conversions_;
    std::vector<unsigned char> canvas_memory_;
    std::vector<float> blob_memory_;
    cv::Mat canvas_, blob_;
    std::vector<Head> heads_;
    Candidates candidates_, chosen_;
    std::vector<int> kept_;
};

}  // namespace yolov5_dnn
