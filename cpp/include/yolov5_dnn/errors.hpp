// SPDX-License-Identifier: Apache-2.0
// What goes wrong, and how it is said.

#pragma once

#include <exception>
#include <stdexcept>
#include <string>

#include <opencv2/core.hpp>

namespace yolov5_dnn {

// Anything this header refuses to do; what() is one sentence fit for a terminal.
class DetectorError : public std::runtime_error {
    using std::runtime_error::runtime_error;
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

// What is wrong with some bytes or values; becomes a ModelError where the file's name is known.
class Invalid : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The telling part of an OpenCV error, which comes with paths and line numbers of its own source.
inline std::string reason(const std::exception& error) {
    const auto* const from_opencv = dynamic_cast<const cv::Exception*>(&error);
    const std::string text = from_opencv && !from_opencv->err.empty() ? from_opencv->err : error.what();
    return text.substr(0, text.find('\n'));
}

}  // namespace detail

}  // namespace yolov5_dnn
