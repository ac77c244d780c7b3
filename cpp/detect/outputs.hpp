// SPDX-License-Identifier: Apache-2.0
// What yolov5-detect writes: JSON, annotated pictures and videos.

#pragma once

#include <yolov5_dnn.hpp>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iomanip>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/videoio.hpp>

#include "frames.hpp"

namespace detect {

using yolov5_dnn::Detection;

// Something cannot be written: the end of the program, unlike an InputError.
class OutputError : public yolov5_dnn::DetectorError {
    using DetectorError::DetectorError;
};

// A file that is written under a temporary name, in the same folder, and takes its own in one step. What is not
// committed is removed. The temporary name is unpredictable and new: never a file that is there, nor a link.
class AtomicFile {
public:
    explicit AtomicFile(const fs::path& path) : path_(path) {
        std::random_device random;
        std::ostringstream name;
        name << '.' << std::hex << random() << random() << ".part";
        part_ = path.parent_path() / fs::path(name.str() + path.extension().string());
        std::FILE* const file = std::fopen(part_.string().c_str(), "wbx");
        if (!file) fail();
        std::fclose(file);
    }

    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;

    ~AtomicFile() {
        std::error_code gone;
        fs::remove(part_, gone);
    }

    const fs::path& part() const { return part_; }

    void commit() const {
        std::error_code error;
        fs::rename(part_, path_, error);
        if (error) fail(": " + error.message());
    }

    [[noreturn]] void fail(const std::string& reason = "") const {
        throw OutputError("cannot write " + yolov5_dnn::detail::utf8(path_) + reason);
    }

private:
    fs::path path_, part_;
};

inline const fs::path& made_folder_of(const fs::path& path) {
    std::error_code error;
    if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
    return path;
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
    explicit JsonFile(const fs::path& path) : file_(made_folder_of(path)), stream_(file_.part(), std::ios::binary) {
        if (!stream_) file_.fail();
        stream_.imbue(std::locale::classic());
    }

    void add(const Frame& frame, const std::vector<Detection>& detections, const std::vector<std::string>& names) {
        stream_ << separator_ << R"({"file": )" << quoted(frame.source->name);
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

    void close() {
        stream_ << (separator_[0] == '[' ? "[]\n" : "\n]\n");
        stream_.close();
        if (!stream_) file_.fail();
        file_.commit();
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

    AtomicFile file_;
    std::ofstream stream_;
    const char* separator_ = "[\n";
};

// Annotated pictures and videos in a folder, under the names of their sources.
class Pictures {
public:
    Pictures(const fs::path& folder, const std::vector<Source>& sources) : folder_(folder), sources_(sources) {}

    void add(const Frame& frame, const cv::Mat& picture) {
        const Source& source = *frame.source;
        if (frame.index >= 0) {
            add_frame(source, frame.fps, picture);
            return;
        }
        std::string suffix = source.path.extension().string();
        if (!is_image(source.path) || !cv::haveImageWriter("picture" + suffix)) suffix = ".jpg";
        const fs::path path = free_path(source.stem, suffix);
        std::vector<unsigned char> data;
        try {
            if (!cv::imencode(suffix, picture, data)) throw InputError("this OpenCV does not encode it");
        } catch (const std::exception& error) {  // a format that cannot hold a picture of this size
            throw InputError("cannot write " + yolov5_dnn::detail::utf8(path) + ": " +
                             yolov5_dnn::detail::reason(error));
        }
        const AtomicFile file(path);
        std::ofstream stream(file.part(), std::ios::binary);
        stream.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
        stream.close();
        if (!stream) file.fail();
        file.commit();
    }

    // Completes the video of a source that is over.
    void end() {
        if (!video_.isOpened()) return;
        video_.release();
        cv::VideoCapture written(video_file_->part().string());  // OpenCV says nothing when a disk is full
        if (written.get(cv::CAP_PROP_FRAME_COUNT) < frames_ || !written.grab())
            video_file_->fail(": the video is not complete; is the disk full?");
        written.release();
        video_file_->commit();
        video_file_.reset();
    }

private:
    void add_frame(const Source& source, double fps, const cv::Mat& picture) {
        if (!video_.isOpened()) {
            video_size_ = picture.size();
            frames_ = 0;
            fs::path path = free_path(source.stem, ".mp4");  // MPEG-4 in MP4 plays nearly everywhere
            video_file_ = std::make_unique<AtomicFile>(path);
            if (!video_.open(video_file_->part().string(), cv::VideoWriter::fourcc('m', 'p', '4', 'v'), fps,
                             video_size_)) {
                path.replace_extension(".avi");  // a build without FFmpeg has only this
                video_file_ = std::make_unique<AtomicFile>(path);
                video_.open(video_file_->part().string(), cv::VideoWriter::fourcc('M', 'J', 'P', 'G'), fps,
                            video_size_);
            }
            if (!video_.isOpened())
                throw InputError("cannot write " + yolov5_dnn::detail::utf8(path) +
                                 ": this OpenCV encodes neither MPEG-4 nor Motion JPEG");
        }
        cv::Mat frame = picture;
        if (frame.size() != video_size_) cv::resize(picture, frame, video_size_, 0, 0, cv::INTER_AREA);
        video_.write(frame);
        ++frames_;
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

    fs::path folder_;
    const std::vector<Source>& sources_;
    std::unique_ptr<AtomicFile> video_file_;
    cv::VideoWriter video_;
    cv::Size video_size_;
    int frames_ = 0;  // of the video
};

}  // namespace detect
