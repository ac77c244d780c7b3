// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <opencv2/imgcodecs.hpp>
#include <yolov5_dnn.hpp>

int main(int count, char** words) try {
    if (count != 3) throw yolov5_dnn::InputError("usage: embed MODEL.onnx IMAGE");
    yolov5_dnn::Detector detector(words[1]);
    for (const yolov5_dnn::Detection& found : detector.detect(cv::imread(words[2])))
        std::cout << detector.info().names[static_cast<std::size_t>(found.class_id)] << "  " << found.score << "  "
                  << found.box << '\n';
} catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 2;
}
