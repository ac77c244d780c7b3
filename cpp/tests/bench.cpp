// SPDX-License-Identifier: Apache-2.0
//
// The C++ side of cpp/bench.py: yolov5_dnn_bench MODEL THREADS ROUNDS CONF_THRES MULTI_LABEL IMAGE...
// Looks at the images round after round and prints, as JSON, the milliseconds of each stage: of each image the median of
// the rounds, of all images the mean.

#include <yolov5_dnn.hpp>

#include <cstdlib>
#include <iostream>

#include <opencv2/imgcodecs.hpp>

namespace {

double mean_of_medians(std::vector<std::vector<double>>& times) {
    double sum = 0;
    for (std::vector<double>& rounds : times) {
        const auto middle = rounds.begin() + static_cast<std::ptrdiff_t>(rounds.size() / 2);
        std::nth_element(rounds.begin(), middle, rounds.end());
        sum += *middle;
    }
    return sum / static_cast<double>(times.size());
}

}  // namespace

int main(int count, char** words) try {
    if (count < 7) return 2;
    cv::setNumThreads(std::atoi(words[2]));
    yolov5_dnn::Options options;
    options.conf_thres = std::atof(words[4]);
    options.multi_label = std::atoi(words[5]) != 0;
    if (options.multi_label) {  // the setting of evaluations
        options.iou_thres = 0.6;
        options.max_det = 300;
    }
    yolov5_dnn::Detector detector(words[1], options);
    std::vector<cv::Mat> images;
    for (int i = 6; i < count; ++i) images.push_back(cv::imread(words[i]));
    std::vector<std::vector<double>> letterbox(images.size()), forward = letterbox, decode = letterbox, nms = letterbox;
    for (int round = -1; round < std::atoi(words[3]); ++round) {
        for (std::size_t i = 0; i < images.size(); ++i) {
            yolov5_dnn::Timings timings;
            detector.detect(images[i], &timings);
            if (round < 0) continue;  // the first one warms up
            letterbox[i].push_back(timings.letterbox);
            forward[i].push_back(timings.forward);
            decode[i].push_back(timings.decode);
            nms[i].push_back(timings.nms);
        }
    }
    std::cout << R"({"opencv": ")" << CV_VERSION << R"(", "letterbox": )" << mean_of_medians(letterbox)
              << R"(, "forward": )" << mean_of_medians(forward) << R"(, "decode": )" << mean_of_medians(decode)
              << R"(, "nms": )" << mean_of_medians(nms) << "}\n";
    return 0;
} catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 2;
}
