// SPDX-License-Identifier: Apache-2.0
// The command line of yolov5-detect.

#pragma once

#include <yolov5_dnn.hpp>

#include <limits>
#include <sstream>
#include <string>
#include <vector>

namespace detect {

inline constexpr const char* usage = R"(usage: yolov5-detect SOURCE... [options]

Find objects in pictures, videos and live streams with a YOLOv5 model and OpenCV alone: boxes, and masks or keypoints
where the model gives some.

  SOURCE             a picture, video, folder, camera number or stream URL

  --weights FILE     model file made by `python -m convert` (default: printed codes)
  --imgsz N | H W    size to scale images to (default: the model's own)
  --device NAME      cpu, opencl, cuda, ...; a wrong one lists those that can be used (default: cpu)
  --threads N        processor threads to use (default: all cores)

  --conf-thres X     lowest score, 0 to 1 (default: 0.25; 0.6 for keypoints)
  --iou-thres X      of boxes that overlap more, the best one stays, 0 to 1
                     (default: 0.45; 0.5 for keypoints, 0.7 for models without anchors)
  --max-det N        most boxes per image (default: 1000)
  --classes CLASS... look for these only, by name or number
  --multi-label      give a box every class that scores high enough, not just the best: what evaluations do

  --max-pixels N     refuse pictures of more, which a small file may unpack to (default: 100000000)

  --output DIR       folder for annotated pictures and videos (default: runs/detect)
  --no-save          save none
  --show             show them in a window; any key: next picture, q or Esc: stop
  --json FILE        write file, size and detections of each image or frame

Put --imgsz and --classes after the sources. Sources are never overwritten.

exit codes: 0 all done; 1 some inputs could not be read; 2 nothing done: wrong usage, model or device, or
nothing can be written; 130 interrupted (Ctrl-C; videos and JSON are complete up to there).
)";

struct Arguments {
    std::vector<std::string> sources;
    std::filesystem::path weights, output = std::filesystem::path("runs") / "detect", json;
    int threads = 0, max_pixels = 100'000'000;
    bool save = true, show = false;
    yolov5_dnn::Options detector;
};

inline int to_int(const std::string& text) {
    std::size_t used = 0;
    int value = 0;
    try {
        value = std::stoi(text, &used);
    } catch (const std::logic_error&) {
    }
    if (text.empty() || used != text.size()) throw yolov5_dnn::InputError("'" + text + "' is not a whole number");
    return value;
}

inline double to_double(const std::string& text) {
    std::istringstream stream(text);
    stream.imbue(std::locale::classic());
    double value = 0;
    if (!(stream >> value) || !stream.eof()) throw yolov5_dnn::InputError("'" + text + "' is not a number");
    return value;
}

inline std::filesystem::path default_weights() {
    for (const char* const path : {YOLOV5_DNN_WEIGHTS})  // in the checkout, and where it is installed
        if (std::filesystem::exists(path)) return path;
    throw yolov5_dnn::ModelError("the model that comes with this program is not there any more; give one by --weights");
}

inline Arguments parse(const std::vector<std::string>& words) {
    Arguments arguments;
    for (std::size_t i = 0; i < words.size();) {
        const std::string option = words[i++];
        if (option.substr(0, 2) != "--") {
            arguments.sources.push_back(option);
            continue;
        }
        const auto has_value = [&] { return i < words.size() && words[i].substr(0, 2) != "--"; };
        const auto value = [&] {
            if (!has_value()) throw yolov5_dnn::InputError("argument " + option + ": expected a value");
            return words[i++];
        };
        const auto positive = [&] {
            const int number = to_int(value());
            if (number >= 1) return number;
            throw yolov5_dnn::InputError("argument " + option + ": " + std::to_string(number) + " is less than 1");
        };
        if (option == "--weights") {
            arguments.weights = value();
        } else if (option == "--imgsz") {
            const int height = to_int(value()), width = has_value() ? to_int(value()) : height;
            if (has_value()) throw yolov5_dnn::InputError("argument --imgsz: give one number or two, height and width");
            if (height < 1 || width < 1) throw yolov5_dnn::InputError("argument --imgsz: give whole numbers from 1 on");
            arguments.detector.imgsz = {width, height};
        } else if (option == "--device") {
            arguments.detector.device = value();
        } else if (option == "--threads") {
            arguments.threads = positive();
        } else if (option == "--conf-thres") {
            arguments.detector.conf_thres = to_double(value());
        } else if (option == "--iou-thres") {
            arguments.detector.iou_thres = to_double(value());
        } else if (option == "--max-det") {
            arguments.detector.max_det = positive();
        } else if (option == "--classes") {
            do {
                arguments.detector.classes.push_back(value());
            } while (has_value());
        } else if (option == "--multi-label") {
            arguments.detector.multi_label = true;
        } else if (option == "--max-pixels") {
            arguments.max_pixels = positive();
        } else if (option == "--output") {
            arguments.output = value();
        } else if (option == "--no-save") {
            arguments.save = false;
        } else if (option == "--show") {
            arguments.show = true;
        } else if (option == "--json") {
            arguments.json = value();
        } else {
            throw yolov5_dnn::InputError("unrecognized argument: " + option);
        }
    }
    if (arguments.sources.empty()) throw yolov5_dnn::InputError("the following arguments are required: SOURCE");
    if (arguments.weights.empty()) arguments.weights = default_weights();
    return arguments;
}

}  // namespace detect
