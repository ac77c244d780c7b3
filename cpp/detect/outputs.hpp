// SPDX-License-Identifier: Apache-2.0
// What yolov5-detect writes: JSON, annotated pictures and videos.

#pragma once

#include <yolov5_dnn.hpp>

#include <cstdlib>
#include <iomanip>
#include <string>
#include <vector>

#include <opencv2/highgui.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/videoio.hpp>

#include "sources.hpp"

namespace detect {

using yolov5_dnn::Detection;

// The name under which a file is written before it is complete and gets its own.
inline fs::path part_of(const fs::path& path) { return path.parent_path() / (".part-" + path.filename().string()); }

inline void commit(const fs::path& path) {
    std::error_code error;
    fs::rename(part_of(path), path, error);
    if (error) throw InputError("cannot write " + yolov5_dnn::detail::utf8(path) + ": " + error.message());
}

inline std::string quoted(const std::string& text) {
    std::string json = "\"";
    for (const char c : text) {
        constexpr const char* digits = "0123456789abcdef";
        if (c == '"' || c == '\\') json += '\\';
        if (static_cast<unsigned char>(c) >= 0x20) {
            json += c;
        } else {
            json += std::string("\\u00") + digits[c >> 4] + digits[c & 15];
        }
    }
    return json + '"';
}

// Rounded to so many decimals, without zeros at the end but for the first, as Python writes it: 0.25, 12.0.
inline std::string rounded(float value, int decimals) {
    std::ostringstream stream;
    stream.imbue(std::locale::classic());
    stream << std::fixed << std::setprecision(decimals) << value;
    std::string text = stream.str();
    text.erase(std::max(text.find_last_not_of('0'), text.find('.') + 1) + 1);
    return text;
}

// An array with an object per image or frame: file, frame of a video, width, height and detections, with their boxes
// as x1, y1, x2, y2 in pixels, and where there are some, their masks as COCO's RLE and their keypoints as x, y.
class JsonFile {
public:
    explicit JsonFile(const fs::path& path) : path_(path) {
        std::error_code error;
        if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
        stream_.open(part_of(path), std::ios::binary);
        if (!stream_) throw InputError("cannot write " + yolov5_dnn::detail::utf8(path));
        stream_.imbue(std::locale::classic());
    }

    void add(const Source& source, const Frame& frame, const std::vector<Detection>& detections,
             const std::vector<std::string>& names) {
        stream_ << separator_ << R"({"file": )" << quoted(source.name);
        if (frame.index >= 0) stream_ << R"(, "frame": )" << frame.index;
        stream_ << R"(, "width": )" << frame.image.cols << R"(, "height": )" << frame.image.rows;
        stream_ << R"(, "detections": [)";
        const char* comma = "";
        for (const Detection& found : detections) {
            stream_ << comma << R"({"class_id": )" << found.class_id << R"(, "name": )"
                    << quoted(names[static_cast<std::size_t>(found.class_id)]) << R"(, "score": )"
                    << rounded(found.score, 6) << R"(, "box": [)" << rounded(found.box.x, 3) << ", "
                    << rounded(found.box.y, 3) << ", " << rounded(found.box.br().x, 3) << ", "
                    << rounded(found.box.br().y, 3) << ']';
            if (!found.mask.empty()) add_mask(found.mask);
            if (!found.keypoints.empty()) add_keypoints(found.keypoints);
            stream_ << '}';
            comma = ", ";
        }
        stream_ << "]}";
        separator_ = ",\n";
    }

    JsonFile(const JsonFile&) = delete;
    JsonFile& operator=(const JsonFile&) = delete;

    ~JsonFile() {
        std::error_code gone;
        stream_.close();
        fs::remove(part_of(path_), gone);  // what an error has kept from being completed
    }

    void close() {
        stream_ << (separator_[0] == '[' ? "[]\n" : "\n]\n");
        stream_.close();
        if (!stream_) throw InputError("cannot write " + yolov5_dnn::detail::utf8(path_));
        commit(path_);
    }

private:
    void add_mask(const yolov5_dnn::Mask& mask) {
        stream_ << R"(, "mask": {"size": [)" << mask.image.height << ", " << mask.image.width << R"(], "counts": )"
                << quoted(yolov5_dnn::encode_rle(mask.window(), mask.image)) << '}';
    }

    void add_keypoints(const std::vector<cv::Point2f>& points) {
        stream_ << R"(, "keypoints": [)";
        const char* comma = "";
        for (const cv::Point2f& point : points) {
            stream_ << comma << '[' << rounded(point.x, 3) << ", " << rounded(point.y, 3) << ']';
            comma = ", ";
        }
        stream_ << ']';
    }

    fs::path path_;
    std::ofstream stream_;
    const char* separator_ = "[\n";
};

// Annotated pictures and videos in a folder, under the names of their sources.
class Pictures {
public:
    Pictures(const fs::path& folder, const std::vector<Source>& sources) : folder_(folder), sources_(sources) {}

    void add(const Source& source, const Frame& frame, const cv::Mat& picture) {
        if (frame.index >= 0) {
            add_frame(source, frame.fps, picture);
            return;
        }
        std::string suffix = source.path.extension().string();
        if (!is_image(source.path) || !cv::haveImageWriter("picture" + suffix)) suffix = ".jpg";
        const fs::path path = free_path(source.stem, suffix);
        std::vector<unsigned char> data;
        cv::imencode(suffix, picture, data);
        std::ofstream file(part_of(path), std::ios::binary);
        file.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
        file.close();
        if (!file) throw InputError("cannot write " + yolov5_dnn::detail::utf8(path));
        commit(path);
    }

    // Completes the video of a source that is over.
    void end() {
        if (!video_.isOpened()) return;
        video_.release();
        commit(video_path_);
    }

private:
    void add_frame(const Source& source, double fps, const cv::Mat& picture) {
        if (!video_.isOpened()) {
            video_size_ = picture.size();
            video_path_ = free_path(source.stem, ".mp4");  // MPEG-4 in MP4 plays nearly everywhere
            if (!video_.open(part_of(video_path_).string(), cv::VideoWriter::fourcc('m', 'p', '4', 'v'), fps,
                             video_size_)) {
                video_path_.replace_extension(".avi");  // a build without FFmpeg has only this
                video_.open(part_of(video_path_).string(), cv::VideoWriter::fourcc('M', 'J', 'P', 'G'), fps,
                            video_size_);
            }
            if (!video_.isOpened())
                throw InputError("cannot write " + yolov5_dnn::detail::utf8(video_path_) +
                                 ": this OpenCV encodes neither MPEG-4 nor Motion JPEG");
        }
        cv::Mat frame = picture;
        if (frame.size() != video_size_) cv::resize(picture, frame, video_size_, 0, 0, cv::INTER_AREA);
        video_.write(frame);
    }

    // folder/stem.suffix, with "-boxes" added to the stem where that is one of the sources.
    fs::path free_path(std::string stem, const std::string& suffix) const {
        std::error_code error;
        fs::create_directories(folder_, error);
        for (;; stem += "-boxes") {
            const fs::path path = folder_ / fs::u8path(stem + suffix);
            std::error_code missing;
            const auto is_path = [&](const Source& source) { return fs::equivalent(source.path, path, missing); };
            if (std::none_of(sources_.begin(), sources_.end(), is_path)) return path;
        }
    }

    fs::path folder_, video_path_;
    const std::vector<Source>& sources_;
    cv::VideoWriter video_;
    cv::Size video_size_;
};

// Throws InputError if this session has no windows: without a display, OpenCV's Qt ends the whole process.
inline void check_display() {
#ifdef __linux__
    if (!std::getenv("DISPLAY") && !std::getenv("WAYLAND_DISPLAY"))
        throw InputError("--show needs a display, and this session has none");
#endif
}

// Shows a picture, a still one until a key is pressed; false if that is Esc or q: no more, please.
inline bool show(const cv::Mat& picture, bool still) {
    const char* const title = "yolov5-dnn";
    cv::namedWindow(title, cv::WINDOW_NORMAL | cv::WINDOW_KEEPRATIO);
    cv::imshow(title, picture);
    const auto is_open = [title] { return cv::getWindowProperty(title, cv::WND_PROP_VISIBLE) >= 1; };
    int key = cv::waitKey(1);
    while (still && key < 0 && is_open() && !interrupted) key = cv::waitKey(100);
    return (key & 0xFF) != 27 && (key & 0xFF) != 'q' && is_open();
}

}  // namespace detect
