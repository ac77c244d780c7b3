// SPDX-License-Identifier: Apache-2.0
// The classifier: crop → network → softmax, on one image after the other.

#pragma once

#include <array>
#include <cmath>
#include <filesystem>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <opencv2/core.hpp>

#include "../results/classification.hpp"
#include "../stages/crop.hpp"
#include "../engines/devices.hpp"
#include "../errors.hpp"
#include "../stages/letterbox.hpp"
#include "../tasks/read_info.hpp"
#include "../model/file.hpp"
#include "../tasks/model_info.hpp"
#include "../engines/network.hpp"
#include "../unicode.hpp"

namespace yolov5_dnn {

// What a Classifier is asked for; the fields are called as the arguments of Python's.
struct ClassifierOptions {
    std::string device = "cpu";  // one of `available_devices()`
    // Side of the square that the image's middle is scaled to, 0 for the model's own. Only a model of free input size
    // takes another, rounded up to a multiple of its size_multiple.
    int imgsz = 0;
    // How images are cut, "square" or "shorter-side", see `to_classifier_blob`; empty: as the model file says, which is
    // as YOLOv5 v7.0 cuts them, also for networks that v6.2 trained: a checkpoint does not tell the two apart.
    std::string crop;
};

// A YOLOv5 classifier, ready to be called on images. It may be called from several threads: a lock lets one call
// through at a time.
class Classifier {
public:
    // `model` is a file made by `python -m convert`.
    // Throws ModelError for the file, DeviceError for the device, InputError for any other option.
    explicit Classifier(const std::filesystem::path& model, const ClassifierOptions& options = {})
        : Classifier(read_model(model), options) {}

    // The same of a file that `read_model` gave, which is not read again; it need not outlive the classifier.
    explicit Classifier(const ModelFile& file, const ClassifierOptions& options = {})
        : info_(read_classifier(file)), crop_(options.crop.empty() ? info_.crop : options.crop),
          imgsz_(side(options.imgsz, info_)),
          network_((file.check_input(info_.input_shape({imgsz_, imgsz_})), file), info_, find_device(options.device)) {
        if (crop_ != "square" && crop_ != "shorter-side")
            throw InputError("crop must be square or shorter-side, not '" + crop_ + "'");
    }

    // What the model file says.
    const ModelInfo& info() const { return info_; }

    // How images are cut.
    const std::string& crop() const { return crop_; }

    // Side of the square in use.
    int imgsz() const { return imgsz_; }

    // Runs once on a grey image: the first forward pass prepares the network, which can take long.
    void warmup() { classify(cv::Mat(imgsz_, imgsz_, CV_8UC3, cv::Scalar::all(grey))); }

    // Tells how probable each class is for an image: BGR, 8 bits; also grey or BGRA, and 16 bits.
    // Throws InputError for anything that is not an image, ModelError if the network doesn't fit its metadata or its
    // output is not a number.
    Classification classify(const cv::Mat& picture) {
        const std::lock_guard<std::mutex> lock(mutex_);
        const cv::Mat image = to_bgr(picture, conversions_);
        to_classifier_blob(image, imgsz_, crop_, info_.mean, info_.deviation, blob_);
        const cv::Mat& output = network_(blob_).front();
        const auto* const logits = output.ptr<float>();
        std::vector<float> values(logits, logits + info_.names.size());
        for (const float value : values)
            if (!std::isfinite(value)) throw ModelError(detail::not_finite);
        return {softmax(std::move(values))};
    }

    Classification operator()(const cv::Mat& image) { return classify(image); }

private:
    static ModelInfo read_classifier(const ModelFile& file) {
        ModelInfo info = read_info(file.metadata, file.path);
        if (info.head->decode)
            throw ModelError(detail::utf8(file.path) + " is no classifier; it is for " + info.head->user);
        return info;
    }

    static int side(int imgsz, const ModelInfo& info) {
        const cv::Size size = detail::input_size({imgsz, imgsz}, info, info.dynamic);
        if (size.width != size.height)
            throw InputError("a classifier's input is square, not " + std::to_string(size.height) + " × " +
                             std::to_string(size.width));
        return size.width;
    }

    ModelInfo info_;
    std::string crop_;
    int imgsz_;

    std::mutex mutex_;  // guards what follows
    Network network_;
    std::array<cv::Mat, 2> conversions_;
    cv::Mat blob_;
};

}  // namespace yolov5_dnn
