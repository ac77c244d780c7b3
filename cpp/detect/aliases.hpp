// SPDX-License-Identifier: Apache-2.0
// The words of YOLOv5's detect.py: what each is called here, or what to do instead. The table of
// runtime/command/aliases.py in C++; tests/command/test_aliases.py compares them.

#pragma once

#include <yolov5_dnn.hpp>

#include <map>
#include <string>
#include <vector>

namespace detect {

inline const std::map<std::string, std::string> aliases = {
    {"--img", "--imgsz"},     {"--img-size", "--imgsz"}, {"--conf", "--conf-thres"},
    {"--iou", "--iou-thres"}, {"--view-img", "--show"},  {"--nosave", "--no-save"},
};

// clang-format off
inline const std::map<std::string, std::string> refused = {
    {"--data", "the class names are in the model file: leave --data out; to measure a model there is `yolov5-dnn evaluate`."},
    {"--augment", "there is no augmentation while detecting: leave --augment out, or give a larger --imgsz, which finds small things better."},
    {"--visualize", "feature maps are not shown here: leave --visualize out, or run detect.py on the checkpoint."},
    {"--update", "a model file needs no updating: leave --update out, and convert the checkpoint again when it has changed."},
    {"--half", "16 bits are a matter of the device: say --device cuda-fp16 or opencl-fp16 instead of --half."},
    {"--dnn", "everything here runs in OpenCV's dnn already: leave --dnn out."},
    // What only the Python command does.
    {"--crop-masks", "boxes alone are cut out here: say --save-crop, or use yolov5-dnn detect."},
};
// clang-format on

// Puts the options' own names in the place of the aliases, and values behind "=" into words of their own.
// Throws InputError for an option that is refused.
inline std::vector<std::string> translate(const std::vector<std::string>& words) {
    std::vector<std::string> translated;
    for (const std::string& word : words) {
        const std::size_t equals = word.substr(0, 2) == "--" ? word.find('=') : std::string::npos;
        const std::string name = word.substr(0, equals);
        const auto sentence = refused.find(name);
        if (sentence != refused.end()) throw yolov5_dnn::InputError(sentence->second);
        const auto alias = aliases.find(name);
        translated.push_back(alias == aliases.end() ? name : alias->second);
        if (equals != std::string::npos) translated.push_back(word.substr(equals + 1));
    }
    return translated;
}

// The device that is meant by "0" and "cuda:0", which is how PyTorch calls the first card.
inline std::string device_of(const std::string& name) {
    const std::string number = name.substr(0, 5) == "cuda:" ? name.substr(5) : name;
    if (number == "0") return "cuda";
    if (!number.empty() && number.find_first_not_of("0123456789,") == std::string::npos)
        throw yolov5_dnn::InputError(
            "argument --device: of several cards only the first can be used: set the variable "
            "CUDA_VISIBLE_DEVICES=" +
            number.substr(0, number.find(',')) + ", and say --device cuda");
    return name;
}

}  // namespace detect
