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

#include "classification.hpp"
#include "crop.hpp"
#include "devices.hpp"
#include "errors.hpp"
#include "letterbox.hpp"
#include "model_file.hpp"
#include "network.hpp"
#include "unicode.hpp"

namespace yolov5_dnn {

// A YOLOv5 classifier, ready to be called on images. It may be called from several threads: a lock lets one call through
// at a time.
class Classifier {
public:
    // `model` is a file made by `python -m convert`; `device` one of `available_devices()`; `imgsz` the side of the square
    // that the image's middle is scaled to, 0 for the model's own. Only a model of free input size takes another, rounded
    // up to a multiple of its size_multiple.
    // Throws ModelError for the file, DeviceError for the device, InputError for the size.
    explicit Classifier(const std::filesystem::path& model, const std::string& device = "cpu", int imgsz = 0)
        : Classifier(read_model(model), model, device, imgsz) {}

    // What the model file says.
    const ModelInfo& info() const { return info_; }

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
        to_classifier_blob(image, imgsz_, info_.crop, info_.mean, info_.deviation, blob_);
        const cv::Mat& output = network_(blob_).front();
        const auto* const logits = output.ptr<float>();
        std::vector<float> values(logits, logits + info_.names.size());
        for (const float value : values)
            if (!std::isfinite(value)) throw ModelError(detail::not_finite);
        return {softmax(std::move(values))};
    }

    Classification operator()(const cv::Mat& image) { return classify(image); }

private:
    Classifier(const ModelFile& file, const std::filesystem::path& model, const std::string& device, int imgsz)
        : info_(read_classifier(file, model)), imgsz_(side(imgsz, info_)),
          network_(file, info_, find_device(device), detail::utf8(model)) {}

    static ModelInfo read_classifier(const ModelFile& file, const std::filesystem::path& model) {
        ModelInfo info = read_info(file.metadata, model);
        if (info.head->decode)
            throw ModelError(detail::utf8(model) + " is no classifier; it is for " + info.head->user);
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
    int imgsz_;

    std::mutex mutex_;  // guards what follows
    Network network_;
    std::array<cv::Mat, 2> conversions_;
    cv::Mat blob_;
};

}  // namespace yolov5_dnn
