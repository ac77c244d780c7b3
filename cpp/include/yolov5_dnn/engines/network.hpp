// SPDX-License-Identifier: Apache-2.0
// The network as OpenCV runs it. What differs between OpenCV's versions is dealt with here.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <limits>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/dnn.hpp>

#if defined(__GLIBC__) && CV_VERSION_MAJOR >= 5
#include <malloc.h>
#endif

#include "devices.hpp"
#include "../errors.hpp"
#include "../escape.hpp"
#include "../model/buffer.hpp"
#include "../model/file.hpp"
#include "../tasks/model_info.hpp"
#include "../tasks/tasks.hpp"
#include "../unicode.hpp"

namespace yolov5_dnn {

namespace detail {

#if defined(__GLIBC__) && CV_VERSION_MAJOR >= 5
// Tells glibc to keep large buffers that are freed for the next ones that are asked for.
//
// OpenCV 5's new engine asks for its intermediate maps anew in each forward pass. By default glibc takes buffers of that
// size from the system and gives them back, and each of their pages is zeroed again when it is touched. The process takes
// no more memory for it. Other systems' C libraries have no such switch, and need none here.
//
// glibc before 2.35 takes no threshold above 32 MB. Without one, the other limit is left alone, too: setting either
// stops glibc from raising both by itself.
inline void keep_freed_memory() {
    static std::once_flag once;
    std::call_once(once, [] {
        if (mallopt(M_MMAP_THRESHOLD, 1 << 30) || mallopt(M_MMAP_THRESHOLD, 32 << 20))
            mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
    });
}
#endif

#if CV_VERSION_MAJOR >= 5
// A file of these bytes, which is there as long as this is.
class TemporaryFile {
public:
    // Throws ModelError.
    explicit TemporaryFile(const std::vector<unsigned char>& bytes) {
        std::random_device random;
        const std::uint64_t number = std::uint64_t{random()} << 32 | random();
        path_ = std::filesystem::temp_directory_path() / ("yolov5_dnn-" + std::to_string(number) + ".onnx");
        // "x": a file that is there already, somebody else's, is none of ours
        const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path_.string().c_str(), "wbx"),
                                                                   std::fclose);
        if (!file) throw ModelError(utf8(path_) + " cannot be written");
        const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size();
        if (written && std::fflush(file.get()) == 0) return;
        remove();
        throw ModelError(utf8(path_) + " cannot be written");
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    ~TemporaryFile() { remove(); }

    std::string path() const { return path_.string(); }

private:
    void remove() {
        std::error_code ignored;
        std::filesystem::remove(path_, ignored);
    }

    std::filesystem::path path_;
};

// Loads into onnxruntime, as an engine of OpenCV 5, which takes as many threads as there are cores. It reads files only,
// and not the model file itself, which could have changed since it was checked.
inline cv::dnn::Net load_onnxruntime(const ModelFile& model, bool dynamic) {
    const TemporaryFile file(for_onnxruntime(model.buffer, dynamic));
    cv::dnn::Net net = cv::dnn::readNetFromONNX(file.path(), cv::dnn::ENGINE_ORT);
    net.finalizeNet();  // reads the file, which otherwise waits for the first forward pass
    return net;
}
#endif

// Says, of a file that OpenCV 4 cannot read, what can: for the end of a message.
inline std::string newer_opencv() {
    return CV_VERSION_MAJOR >= 5 ? "" : "; OpenCV 5 reads more, or export it again with --opset 12";
}

// Whether a network counts indices, which only the new engine of OpenCV 5 does rightly. Throws ModelError elsewhere.
inline void check_indices(const ModelFile& model, const ModelInfo& info, const Device& device) {
    if (info.decoded != "end-to-end" || (CV_VERSION_MAJOR >= 5 && device.name == "cpu")) return;
    throw ModelError(utf8(model.path) +
                     " chooses its boxes by whole numbers, which OpenCV " CV_VERSION " on the device " + device.name +
                     " takes for fractions: run it with OpenCV 5 on the cpu, or export it without NMS");
}

inline cv::dnn::Net load_net(const ModelFile& model, const Device& device, bool dynamic) {
    try {
#if CV_VERSION_MAJOR >= 5
        // The new engine runs on the CPU only; the other devices need the classic one. This overload, because in 5.0
        // the one that takes a vector forgets the engine.
        if (device.name == "onnxruntime") return load_onnxruntime(model, dynamic);
        const bool is_cpu = device.name == "cpu";
#if defined(__GLIBC__)
        if (is_cpu) keep_freed_memory();
#endif
        cv::dnn::Net net =
            cv::dnn::readNetFromONNX(reinterpret_cast<const char*>(model.buffer.data()), model.buffer.size(),
                                     is_cpu ? cv::dnn::ENGINE_AUTO : cv::dnn::ENGINE_CLASSIC);
        if (is_cpu) return net;
#else
        static_cast<void>(dynamic);  // only onnxruntime needs to be told
        cv::dnn::Net net = cv::dnn::readNetFromONNX(model.buffer);
#endif
        net.setPreferableBackend(device.backend);
        net.setPreferableTarget(device.target);
        return net;
    } catch (const std::exception& error) {
        throw ModelError("OpenCV " CV_VERSION " cannot load " + utf8(model.path) + ": " + reason(error) +
                         newer_opencv());
    }
}

// The names that a network's outputs should have, in order, if it has them: OpenCV 4 lists outputs as their nodes come.
inline std::vector<cv::String> in_order(const std::vector<Output>& outputs, const std::vector<cv::String>& found) {
    std::vector<cv::String> named;
    for (const Output& output : outputs) named.push_back(output.name);
    return named.size() == found.size() && std::is_permutation(named.begin(), named.end(), found.begin()) ? named
                                                                                                          : found;
}

inline std::string text_of(const Shape& shape) {
    std::string text;
    for (const int side : shape)
        text += (text.empty() ? "" : ", ") + (side < 0 ? std::string("any") : std::to_string(side));
    return "(" + text + ")";
}

}  // namespace detail

// A loaded network: call it on a blob to get its raw outputs.
class Network {
public:
    // `info` comes from `read_info`.
    // Throws ModelError if OpenCV cannot load the network, or it hasn't as many outputs as `info` describes.
    Network(const ModelFile& model, const ModelInfo& info, const Device& device)
        : info_(info), path_(detail::utf8(model.path)),
          net_((detail::check_indices(model, info, device), detail::load_net(model, device, info.dynamic))),
          names_(detail::in_order(info.head->outputs(info, info.imgsz), net_.getUnconnectedOutLayersNames())) {
        const std::size_t expected = info.head->outputs(info, info.imgsz).size();
        if (names_.size() != expected)
            throw ModelError(path_ + " has " + std::to_string(names_.size()) + " outputs, but its metadata describe " +
                             std::to_string(expected));
#if CV_VERSION_MAJOR >= 5
        if (device.name == "cpu" && info.decoded != "end-to-end") buffer_ = model.buffer;
#endif
    }

    // Runs forward on what `to_blob` made. The outputs are the network's own, and the next call overwrites them.
    // Throws ModelError if OpenCV fails, or an output has another shape than the ModelInfo asks for.
    const std::vector<cv::Mat>& operator()(const cv::Mat& blob) {
        const cv::Size size(blob.size[3] * info_.fold, blob.size[2] * info_.fold);
        try {
            forward(blob);
        } catch (const std::exception& error) {
            throw ModelError("OpenCV cannot run " + path_ + " at " + std::to_string(size.height) + " × " +
                             std::to_string(size.width) + ": " + detail::reason(error));
        }
        check_outputs(size);
        return outputs_;
    }

private:
    // Runs the network; where OpenCV 5's new engine fails at the first pass, in the classic one. In 5.0.0 the new one fails
    // on x · conv(x) where the convolution has one channel, as attention has it (CBAM).
    void forward(const cv::Mat& blob) {
#if CV_VERSION_MAJOR >= 5
        std::vector<unsigned char> buffer;
        buffer.swap(buffer_);
        try {
            net_.setInput(blob);
            net_.forward(outputs_, names_);
        } catch (const cv::Exception&) {
            if (buffer.empty()) throw;
            cv::dnn::Net net = cv::dnn::readNetFromONNX(reinterpret_cast<const char*>(buffer.data()), buffer.size(),
                                                        cv::dnn::ENGINE_CLASSIC);
            net.setInput(blob);
            net.forward(outputs_, names_);
            net_ = net;
            std::cerr << "warning: the new engine of OpenCV " CV_VERSION " cannot run " << escape(path_, 1000)
                      << "; its classic engine runs it, which is slower\n";
        }
#else
        net_.setInput(blob);
        net_.forward(outputs_, names_);
#endif
    }

    void check_outputs(cv::Size size) {
        if (size != size_) {
            expected_ = info_.head->outputs(info_, size);
            size_ = size;
        }
        const auto fits = [](int wanted, int side) { return wanted == side || wanted < 0; };
        for (std::size_t i = 0; i < expected_.size(); ++i) {
            const cv::Mat& output = outputs_.at(i);
            const Shape& shape = expected_[i].shape;
            if (std::equal(shape.begin(), shape.end(), output.size.p, output.size.p + output.dims, fits)) continue;
            throw ModelError(path_ + " gives an output of shape " +
                             detail::text_of(Shape(output.size.p, output.size.p + output.dims)) + " where " +
                             std::to_string(info_.names.size()) + " classes and the other metadata make " +
                             detail::text_of(shape));
        }
    }

    ModelInfo info_;
    std::string path_;  // as UTF-8
    cv::dnn::Net net_;
    std::vector<cv::String> names_;
    std::vector<cv::Mat> outputs_;
#if CV_VERSION_MAJOR >= 5
    std::vector<unsigned char> buffer_;  // until a pass has succeeded, for the other engine
#endif

    cv::Size size_;                 // of the last input,
    std::vector<Output> expected_;  // and what its outputs must be
};

}  // namespace yolov5_dnn
