// SPDX-License-Identifier: Apache-2.0
// What goes wrong, and how it is said.

#pragma once

#include <exception>
#include <stdexcept>
#include <string>

#include <opencv2/core.hpp>

#include "escape.hpp"

namespace yolov5_dnn {

// Anything this header refuses to do; what() is one sentence fit for a terminal. What others wrote and the sentence
// quotes, such as names, comes out as `escape` shows it.
class DetectorError : public std::runtime_error {
public:
    explicit DetectorError(const std::string& text) : std::runtime_error(escape(text, 1500)) {}
};

// The model file is missing, damaged, without metadata, or at odds with what its network gives.
class ModelError : public DetectorError {
    using DetectorError::DetectorError;
};

// This build of OpenCV cannot run on the device that was asked for.
class DeviceError : public DetectorError {
    using DetectorError::DetectorError;
};

// An image, a source or an argument cannot be used.
class InputError : public DetectorError {
    using DetectorError::DetectorError;
};

namespace detail {

constexpr const char* not_finite = "the network's output is not a number: on a 16-bit device, try the 32-bit one";

// What is wrong with some bytes or values; becomes a ModelError where the file's name is known.
class Invalid : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The telling part of an OpenCV error, which comes with paths and line numbers of its own source.
inline std::string reason(const std::exception& error) {
    const auto* const from_opencv = dynamic_cast<const cv::Exception*>(&error);
    const std::string text = from_opencv && !from_opencv->err.empty() ? from_opencv->err : error.what();
    return escape(text.substr(0, text.find('\n')));
}

}  // namespace detail

}  // namespace yolov5_dnn
