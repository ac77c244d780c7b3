// SPDX-License-Identifier: Apache-2.0
// Tells what is on pictures, with a classifier made by `python -m convert yolov5n-cls.pt`, and writes a copy of each
// picture with the answer on it where a folder for them is given:
//
//     classify MODEL.onnx IMAGE... [--output FOLDER]
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

#include <opencv2/imgcodecs.hpp>
#include <yolov5_dnn.hpp>

int main(int count, char** words) try {
    std::vector<std::string> arguments(words + 1, words + count);
    std::string folder;
    if (arguments.size() > 2 && arguments[arguments.size() - 2] == "--output") {
        folder = arguments.back();
        arguments.resize(arguments.size() - 2);
        std::filesystem::create_directories(folder);
    }
    if (arguments.size() < 2) throw yolov5_dnn::InputError("usage: classify MODEL.onnx IMAGE... [--output FOLDER]");

    yolov5_dnn::Classifier classifier(arguments.front());
    const std::vector<std::string>& names = classifier.info().names;
    for (auto path = arguments.begin() + 1; path != arguments.end(); ++path) {
        const cv::Mat image = cv::imread(*path);
        if (image.empty()) throw yolov5_dnn::InputError(*path + ": no picture, or one that OpenCV cannot read");
        const std::vector<yolov5_dnn::Guess> guesses = classifier.classify(image).top(5);
        std::cout << *path << std::fixed << std::setprecision(2);
        for (const yolov5_dnn::Guess& guess : guesses)
            std::cout << "  " << yolov5_dnn::escape(names[static_cast<std::size_t>(guess.class_id)]) << ' '
                      << guess.probability;
        std::cout << '\n';
        if (folder.empty()) continue;
        const std::string copy = (folder / std::filesystem::path(*path).filename()).string();
        if (!cv::imwrite(copy, yolov5_dnn::draw_classes(image, guesses, names)))
            throw yolov5_dnn::InputError("cannot write " + copy);
    }
} catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 2;
}
