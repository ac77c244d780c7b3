// SPDX-License-Identifier: Apache-2.0
// The command line of yolov5-detect.

#pragma once

#include <yolov5_dnn.hpp>

#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "aliases.hpp"

namespace detect {

inline constexpr const char* usage = R"(usage: yolov5-detect SOURCE... [options]

Find objects in pictures, videos and live streams with a YOLOv5 model and OpenCV alone: boxes, and masks or keypoints
where the model gives some.

  SOURCE             a picture, video, folder, camera number or stream URL; - for a picture's bytes on standard input;
                     --source SOURCE is the same
  --recursive        look into the subfolders of folders, too
  --vid-stride N     look at every N-th frame (default: 1)

  --weights FILE     model file made by `python -m convert` (default: printed codes)
  --imgsz N | H W    size to scale images to (default: the model's own)
  --device NAME      cpu, opencl, cuda, ...; a wrong one lists those that can be used (default: cpu); 0 is cuda
  --threads N        processor threads to use (default: all cores)
  --no-rect          scale to the whole of that size, also where a smaller rectangle would hold the image

  --conf-thres X     lowest score, 0 to 1 (default: 0.25; 0.6 for keypoints)
  --iou-thres X      of boxes that overlap more, the best one stays, 0 to 1
                     (default: 0.45; 0.5 for keypoints, 0.7 for models without anchors)
  --max-det N        most boxes per image (default: 1000)
  --classes CLASS... look for these only, by name or number
  --agnostic-nms     let boxes of different classes suppress each other
  --multi-label      give a box every class that scores high enough, not just the best: what evaluations do

  --tiles N          look also at overlapping tiles of N×N pixels, for small objects in large pictures; N as the model's
                     input size, say; each tile takes as long as a picture

  --max-pixels N     refuse pictures and frames of more, which a small file may unpack to (default: 100000000)

  --output DIR       folder for pictures, videos, labels and crops (default: runs/detect, or runs/detect2,
                     runs/detect3, ... if it is there)
  --project DIR, --name NAME
                     the same in two parts (default: runs/detect and exp)
  --exist-ok         write into that folder also if it is there
  --no-save          save no annotated pictures and videos
  --show             show them in a window; any key: next picture, q or Esc: stop
  --json FILE        write file, size and detections of each image or frame; if FILE ends in .jsonl, a line for each
                     at once; - for standard output
  --csv FILE         write a row for each detection, of live sources at once; - for standard output
  --save-csv         write that to predictions.csv in the folder
  --save-txt         write YOLO label files to DIR/labels
  --save-conf        append the score to each label line; implies --save-txt
  --save-crop        save what was found to DIR/crops/CLASS
  --line-thickness N of boxes, in pixels (default: by the picture)
  --hide-labels      draw no labels
  --hide-conf        draw labels without scores

words of detect.py: --img, --img-size (--imgsz), --conf (--conf-thres), --iou (--iou-thres), --view-img (--show),
and --nosave (--no-save) are taken, too. What python -m runtime.detect has and this program has not: patterns (the shell
expands them), URLs of pictures, --crop-masks, several streams at a time, opening a lost stream anew.

Put --imgsz and --classes after the sources. Sources are never overwritten.

--version says which one this is.

exit codes: 0 all done; 1 some inputs could not be read; 2 nothing done: wrong usage, model or device, or
nothing can be written; 130 interrupted (Ctrl-C; videos and JSON are complete up to there).
)";

struct Arguments {
    std::vector<std::string> sources;
    std::filesystem::path weights, output, project, json, csv;
    std::string name;
    int threads = 0, max_pixels = 100'000'000, vid_stride = 1;
    bool recursive = false, default_model = false, save = true, show = false, exist_ok = false;
    bool save_csv = false, save_txt = false, save_conf = false, save_crop = false;
    yolov5_dnn::DrawOptions style;
    yolov5_dnn::Options detector;

    // Whether anything is to be written to the folder of the run.
    bool saves() const { return save || save_csv || save_txt || save_conf || save_crop; }

    // That folder, or what it is called if it is the first one.
    std::filesystem::path folder() const {
        if (!output.empty()) return output;
        const std::filesystem::path usual = std::filesystem::path("runs") / "detect";
        if (project.empty() && name.empty()) return usual;
        return (project.empty() ? usual : project) / (name.empty() ? "exp" : name);
    }

    // Sets what a word alone says; false if it says nothing.
    bool set(const std::string& option) {
        const std::map<std::string, std::pair<bool*, bool>> switches = {
            {"--multi-label", {&detector.multi_label, true}},
            {"--agnostic-nms", {&detector.agnostic_nms, true}},
            {"--no-rect", {&detector.rect, false}},
            {"--no-save", {&save, false}},
            {"--recursive", {&recursive, true}},
            {"--show", {&show, true}},
            {"--exist-ok", {&exist_ok, true}},
            {"--save-csv", {&save_csv, true}},
            {"--save-txt", {&save_txt, true}},
            {"--save-conf", {&save_conf, true}},
            {"--save-crop", {&save_crop, true}},
            {"--hide-labels", {&style.hide_labels, true}},
            {"--hide-conf", {&style.hide_conf, true}},
        };
        const auto found = switches.find(option);
        if (found == switches.end()) return false;
        *found->second.first = found->second.second;
        return true;
    }
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
    throw yolov5_dnn::ModelError(
        "the model that comes with this program is not there any more; name one with --weights");
}

inline Arguments parse(const std::vector<std::string>& typed) {
    const std::vector<std::string> words = translate(typed);
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
            arguments.detector.device = device_of(value());
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
        } else if (option == "--tiles") {
            arguments.detector.tiles = positive();
        } else if (option == "--source") {
            do {
                arguments.sources.push_back(value());
            } while (has_value());
        } else if (option == "--max-pixels") {
            arguments.max_pixels = positive();
        } else if (option == "--vid-stride") {
            arguments.vid_stride = positive();
        } else if (option == "--line-thickness") {
            arguments.style.line_thickness = positive();
        } else if (option == "--project") {
            arguments.project = value();
        } else if (option == "--name") {
            arguments.name = value();
        } else if (option == "--csv") {
            arguments.csv = value();
        } else if (option == "--output") {
            arguments.output = value();
        } else if (option == "--json") {
            arguments.json = value();
        } else if (!arguments.set(option)) {
            throw yolov5_dnn::InputError("unrecognized argument: " + option);
        }
    }
    if (arguments.sources.empty())
        throw yolov5_dnn::InputError("there is no SOURCE to look at; --help lists what it may be");
    if (!arguments.output.empty() && !(arguments.project.empty() && arguments.name.empty()))
        throw yolov5_dnn::InputError("give the folder as --output, or as --project and --name, not both");
    arguments.default_model = arguments.weights.empty();
    if (arguments.default_model) arguments.weights = default_weights();
    return arguments;
}

}  // namespace detect
