// SPDX-License-Identifier: Apache-2.0
// The devices that OpenCV's networks may run on, by name.

#pragma once

#include <algorithm>
#include <regex>
#include <string>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/core/utility.hpp>
#include <opencv2/dnn.hpp>

#include "../errors.hpp"

namespace yolov5_dnn {

// A device's name, and its backend and target as OpenCV numbers them.
struct Device {
    std::string name;
    cv::dnn::Backend backend;
    cv::dnn::Target target;
};

namespace detail {

inline const std::vector<Device>& devices() {
    using namespace cv::dnn;
    static const std::vector<Device> all = {
        {"cpu", DNN_BACKEND_OPENCV, DNN_TARGET_CPU},
        {"opencl", DNN_BACKEND_OPENCV, DNN_TARGET_OPENCL},
        {"opencl-fp16", DNN_BACKEND_OPENCV, DNN_TARGET_OPENCL_FP16},
        {"cuda", DNN_BACKEND_CUDA, DNN_TARGET_CUDA},
        {"cuda-fp16", DNN_BACKEND_CUDA, DNN_TARGET_CUDA_FP16},
        {"openvino", DNN_BACKEND_INFERENCE_ENGINE, DNN_TARGET_CPU},
        {"openvino-gpu", DNN_BACKEND_INFERENCE_ENGINE, DNN_TARGET_OPENCL},
        {"openvino-gpu-fp16", DNN_BACKEND_INFERENCE_ENGINE, DNN_TARGET_OPENCL_FP16},
        {"vulkan", DNN_BACKEND_VKCOM, DNN_TARGET_VULKAN},
#if CV_VERSION_MAJOR * 100 + CV_VERSION_MINOR >= 406
        {"timvx", DNN_BACKEND_TIMVX, DNN_TARGET_NPU},
#endif
#if CV_VERSION_MAJOR * 100 + CV_VERSION_MINOR >= 408
        {"cpu-fp16", DNN_BACKEND_OPENCV, DNN_TARGET_CPU_FP16},
        {"cann", DNN_BACKEND_CANN, DNN_TARGET_NPU},
#endif
#if CV_VERSION_MAJOR >= 5
        {"onnxruntime", DNN_BACKEND_OPENCV, DNN_TARGET_CPU},  // an engine within OpenCV, if built with it
#endif
    };
    return all;
}

inline bool is_available(const Device& device) {
    // A build without it has the engine's name all the same, and takes another one.
    if (device.name == "onnxruntime")
        return std::regex_search(cv::getBuildInformation(), std::regex("ONNX Runtime: +YES"));
    const auto targets = cv::dnn::getAvailableTargets(device.backend);
    return std::find(targets.begin(), targets.end(), device.target) != targets.end();
}

}  // namespace detail

// Names the devices that this OpenCV, on this machine, can use.
inline std::vector<std::string> available_devices() {
    std::vector<std::string> names;
    for (const Device& device : detail::devices())
        if (detail::is_available(device)) names.push_back(device.name);
    return names;
}

// Looks a device up and makes sure that it can be used: OpenCV itself would fall back to the CPU.
// Throws DeviceError, naming the devices that can be used.
inline Device find_device(const std::string& name) {
    std::string usable;
    for (const std::string& each : available_devices()) usable += (usable.empty() ? "" : ", ") + each;
    for (const Device& device : detail::devices()) {
        if (device.name != name) continue;
        if (detail::is_available(device)) return device;
        throw DeviceError("this OpenCV (" CV_VERSION ") cannot use the device '" + name + "'; it can use " + usable);
    }
    throw DeviceError("there is no device '" + name + "'; this OpenCV can use " + usable);
}

}  // namespace yolov5_dnn
