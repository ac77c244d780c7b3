// SPDX-License-Identifier: Apache-2.0
// What yolov5-detect writes beside pictures and JSON: the folder of a run, CSV, label files, and what was found, cut out.

#pragma once

#include <yolov5_dnn.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#if CV_VERSION_MAJOR >= 5
#include <opencv2/geometry.hpp>  // contourArea, which was part of imgproc
#endif

#include "outputs.hpp"

namespace detect {

// A folder of the first name that is free among "detect", "detect2", "detect3", …; made at once, so that it is this
// run's alone. Throws OutputError.
inline fs::path new_folder(const fs::path& path) {
    std::error_code error;
    if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
    for (int number = 1;; ++number) {
        fs::path folder = path;
        if (number > 1) folder += std::to_string(number);
        if (fs::create_directory(folder, error)) return folder;
        if (error || !fs::exists(folder))
            throw OutputError("cannot write " + yolov5_dnn::detail::utf8(folder) + ": " + error.message());
    }
}

// The folder of the run, if anything is to be written there. In the end it is removed, and those that were made for it, if
// nothing is in it.
class Folder {
public:
    explicit Folder(const Arguments& arguments) : path_(arguments.folder()) {
        if (!arguments.saves() || !arguments.output.empty() || arguments.exist_ok) return;
        for (fs::path parent = path_.parent_path(); !parent.empty() && !fs::exists(parent);
             parent = parent.parent_path())
            made_.push_back(parent);
        path_ = new_folder(path_);
        made_.insert(made_.begin(), path_);
    }

    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    ~Folder() {
        std::error_code error;
        for (const fs::path& folder : made_)
            if (!fs::is_empty(folder, error) || error || !fs::remove(folder, error)) return;
    }

    const fs::path& path() const { return path_; }

private:
    fs::path path_;
    std::vector<fs::path> made_;
};

inline const fs::path& said_if_replaced(const fs::path& path) {
    if (fs::is_regular_file(path) && !is_stream(path))
        std::cerr << "warning: " << yolov5_dnn::escape(yolov5_dnn::detail::utf8(path), 1000)
                  << " is there already and is replaced\n";
    return path;
}

// Warns if the detector takes another size than the one that was asked for.
inline void say_size(cv::Size asked, const yolov5_dnn::Detector& detector) {
    const cv::Size used = detector.imgsz();
    if (asked == cv::Size() || asked == used) return;
    const auto text = [&](cv::Size size) {
        const std::string height = std::to_string(size.height);
        return asked.width == asked.height && size.width == size.height ? height
                                                                        : height + " " + std::to_string(size.width);
    };
    std::cerr << "warning: --imgsz " << text(asked) << " is not divisible by " << detector.info().size_multiple << ": "
              << text(used) << " is used\n";
}

// Makes a text fit for a cell: an apostrophe stands before what a spreadsheet would take for a formula.
inline std::string cell(const std::string& text) {
    std::string seen = yolov5_dnn::escape(text, std::string::npos);
    if (!seen.empty() && std::string("=+-@|%").find(seen[0]) != std::string::npos) seen.insert(0, "'");
    if (seen.find_first_of(",\"\n\r") == std::string::npos) return seen;
    std::string quoted = "\"";
    for (const char c : seen) quoted += c == '"' ? "\"\"" : std::string(1, c);
    return quoted + '"';
}

// A row for each detection: file, frame (empty for pictures), where some sources are live the time, class_id, name, score, x1, y1, x2, y2, and the keypoints and
// the mask's run lengths where there are some.
class CsvFile {
public:
    CsvFile(const fs::path& path, bool live) : file_(path, live), stream_(file_.text()), live_(live) {}

    void add(const Frame& frame, const std::vector<Detection>& detections, const yolov5_dnn::ModelInfo& info) {
        head(info);
        for (const Detection& found : detections) {
            const std::string& name = info.names[static_cast<std::size_t>(found.class_id)];
            stream_ << cell(frame.source->name) << ',' << (frame.index < 0 ? "" : std::to_string(frame.index)) << ','
                    << (live_ ? (frame.source->kind == Kind::live ? iso_time(frame.taken) : "") + "," : "")
                    << found.class_id << ',' << cell(name) << ',' << rounded(found.score, 6) << ','
                    << rounded(found.box.x, 3) << ',' << rounded(found.box.y, 3) << ',' << rounded(found.box.br().x, 3)
                    << ',' << rounded(found.box.br().y, 3);
            for (const cv::Point2f& point : found.keypoints)
                stream_ << ',' << rounded(point.x, 3) << ',' << rounded(point.y, 3);
            if (!found.mask.empty())
                stream_ << ',' << cell(yolov5_dnn::encode_rle(found.mask.window(), found.mask.image));
            stream_ << '\n';
        }
        file_.added();
    }

    void close() {
        if (!begun_) stream_ << (live_ ? "file,frame,time\n" : "file,frame\n");
        file_.close();
    }

private:
    void head(const yolov5_dnn::ModelInfo& info) {
        if (begun_) return;
        begun_ = true;
        stream_ << "file,frame," << (live_ ? "time," : "") << "class_id,name,score,x1,y1,x2,y2";
        for (int k = 0; k < info.keypoints; ++k) stream_ << ",keypoint" << k << "_x,keypoint" << k << "_y";
        stream_ << (info.masks ? ",mask\n" : "\n");
    }

    TextFile file_;
    std::ostream& stream_;
    bool live_, begun_ = false;
};

inline void write_file(const fs::path& path, const char* data, std::size_t size) {
    const AtomicFile file(own_file(made_folder_of(path)));
    std::ofstream stream(file.part(), std::ios::binary);
    stream.write(data, static_cast<std::streamsize>(size));
    stream.close();
    if (!stream) file.fail();
    file.commit();
}

// The corners of a mask's largest part, in the image's pixels; none if the mask has no pixel.
inline std::vector<cv::Point> polygon(const yolov5_dnn::Mask& mask) {
    const auto window = mask.window();
    std::vector<std::vector<cv::Point>> contours;
    if (window.pixels.empty()) return {};
    cv::findContours(window.pixels.clone(), contours, cv::RETR_EXTERNAL, cv::CHAIN_APPROX_SIMPLE, window.corner);
    const auto smaller = [](const auto& a, const auto& b) { return cv::contourArea(a) < cv::contourArea(b); };
    const auto largest = std::max_element(contours.begin(), contours.end(), smaller);
    return largest == contours.end() ? std::vector<cv::Point>() : *largest;
}

// The lines of a YOLO label file, in shares of the image's size: class, and centre and size of the box or the corners of
// the mask, then the keypoints; with `scores` the score follows.
inline std::string label_lines(const std::vector<Detection>& detections, cv::Size image, bool scores) {
    std::ostringstream text;
    text.imbue(std::locale::classic());
    text << std::fixed << std::setprecision(6);
    const double width = image.width, height = image.height;
    for (const Detection& found : detections) {
        const std::vector<cv::Point> corners = found.mask.empty() ? std::vector<cv::Point>() : polygon(found.mask);
        if (!found.mask.empty() && corners.empty()) continue;
        text << found.class_id;
        const cv::Rect2d box = found.box;
        if (found.mask.empty())
            text << ' ' << (box.x + box.width / 2) / width << ' ' << (box.y + box.height / 2) / height << ' '
                 << box.width / width << ' ' << box.height / height;
        for (const cv::Point& corner : corners) text << ' ' << corner.x / width << ' ' << corner.y / height;
        for (const cv::Point2f& point : found.keypoints) text << ' ' << point.x / width << ' ' << point.y / height;
        if (scores) text << ' ' << found.score;
        text << '\n';
    }
    return text.str();
}

// What files of a frame are called: as its source, with the number of the frame if it has one.
inline std::string stem_of(const Frame& frame) {
    return frame.source->stem + (frame.index < 0 ? "" : "_" + std::to_string(frame.index));
}

// Makes a class name, which may hold anything, fit for a folder.
inline std::string folder_name(const std::string& name, int class_id) {
    std::string clean;
    for (const char c : name.substr(0, 80))
        clean += static_cast<unsigned char>(c) < 0x20 || std::string("<>:\"/\\|?*\x7f").find(c) != std::string::npos
                     ? '_'
                     : c;
    while (!clean.empty() && (clean.back() == ' ' || clean.back() == '.')) clean.pop_back();
    clean.erase(0, clean.find_first_not_of(" ."));
    return clean.empty() ? "class" + std::to_string(class_id) : clean;
}

// Writes what was found, cut out of the image, to FOLDER/crops/CLASS/STEM_NUMBER.jpg. Gives how many there are.
inline int write_crops(const fs::path& folder, const std::string& stem, const cv::Mat& image,
                       const std::vector<Detection>& detections, const std::vector<std::string>& names) {
    int number = 0;
    for (const Detection& found : detections) {
        const int x1 = std::min(static_cast<int>(std::floor(found.box.x)), image.cols - 1);
        const int y1 = std::min(static_cast<int>(std::floor(found.box.y)), image.rows - 1);
        const int x2 = std::max(static_cast<int>(std::ceil(found.box.br().x)), x1 + 1);
        const int y2 = std::max(static_cast<int>(std::ceil(found.box.br().y)), y1 + 1);
        std::vector<unsigned char> data;
        cv::imencode(".jpg", image(cv::Rect(cv::Point(x1, y1), cv::Point(x2, y2)) & cv::Rect({}, image.size())), data);
        const std::string name = folder_name(names[static_cast<std::size_t>(found.class_id)], found.class_id);
        write_file(folder / "crops" / fs::u8path(name) / fs::u8path(stem + "_" + std::to_string(number++) + ".jpg"),
                   reinterpret_cast<const char*>(data.data()), data.size());
    }
    return number;
}

}  // namespace detect
