// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>
#include <yolov5_dnn.hpp>

using namespace yolov5_dnn;

TEST_CASE("the processor is always there") {
    const auto names = available_devices();
    CHECK(std::find(names.begin(), names.end(), "cpu") != names.end());
    const Device cpu = find_device("cpu");
    CHECK(cpu.backend == cv::dnn::DNN_BACKEND_OPENCV);
    CHECK(cpu.target == cv::dnn::DNN_TARGET_CPU);
}

TEST_CASE("a device that cannot be used is an error that says what can") {
    const auto names = available_devices();
    std::size_t refused = 0;
    for (const Device& device : detail::devices()) {
        if (std::find(names.begin(), names.end(), device.name) != names.end()) {
            CHECK(find_device(device.name).target == device.target);
            continue;
        }
        ++refused;
        std::string message;
        try {
            find_device(device.name);
        } catch (const DeviceError& error) {
            message = error.what();
        }
        CAPTURE(message);
        CHECK(message.find("cannot use the device '" + device.name + "'; it can use cpu") != std::string::npos);
    }
    CHECK(refused + names.size() == detail::devices().size());
    CHECK_THROWS_AS(find_device("gpu"), DeviceError);
    CHECK_THROWS_AS(find_device(""), DeviceError);
}
