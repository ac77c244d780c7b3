// SPDX-License-Identifier: Apache-2.0
//
// The twin of tests/soak.py: yolov5_dnn_soak MINUTES MODEL...
// Runs detectors for long, with changing sizes, tasks and reloads, and prints the resident memory each tenth of the time.
// Exit code 1 if the last tenth took over 5 % or 20 MB more than the third, by when all sizes have been seen. Linux only.

#include <yolov5_dnn.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

// Of the images, width and height.
const std::vector<cv::Size> sizes = {{640, 480}, {480, 640}, {1920, 1080}, {700, 100}, {44, 33}, {720, 720}};
constexpr std::size_t reload = 20;  // images from one loading to the next

// Memory of this process, in MB.
double resident() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
        double kilobytes = 0;
        if (word == "VmRSS:" && status >> kilobytes) return kilobytes / 1000;
    }
    throw std::runtime_error("no VmRSS in /proc/self/status");
}

}  // namespace

int main(int count, char** words) try {
    if (count < 3) {
        std::cerr << "usage: yolov5_dnn_soak MINUTES MODEL...\n";
        return 2;
    }
    const double seconds = 60 * std::atof(words[1]);
    const std::vector<std::string> models(words + 2, words + count);
    cv::RNG random(0);
    std::vector<cv::Mat> images;
    for (const cv::Size& size : sizes) {
        images.emplace_back(size, CV_8UC3);
        random.fill(images.back(), cv::RNG::UNIFORM, 0, 255);
    }
    const auto start = std::chrono::steady_clock::now();
    std::unique_ptr<yolov5_dnn::Detector> detector;
    std::vector<double> levels;
    for (std::size_t done = 0; levels.size() < 10;) {
        if (done % reload == 0)
            detector = std::make_unique<yolov5_dnn::Detector>(models[done / reload % models.size()]);
        const cv::Mat& image = images[done % images.size()];
        yolov5_dnn::draw(image, detector->detect(image), detector->info().names);
        ++done;
        const double passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        if (passed < seconds * static_cast<double>(levels.size() + 1) / 10) continue;
        levels.push_back(resident());
        std::cout << std::fixed << std::setprecision(1) << std::setw(5) << passed / 60 << " min  " << std::setw(7)
                  << done << " images  " << std::setw(7) << levels.back() << " MB" << std::endl;
    }
    const double grown = levels.back() - levels[2];
    std::cout << "from the third to the last tenth: " << std::showpos << grown << " MB\n";
    return grown > std::max(20.0, levels[2] / 20);
} catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 2;
}
