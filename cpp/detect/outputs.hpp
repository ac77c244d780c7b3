// SPDX-License-Identifier: Apache-2.0
// What yolov5-detect writes: JSON, annotated pictures and videos.

#pragma once

#include <yolov5_dnn.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iomanip>
#include <iostream>
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

// Whether a path is written to as it is, because a file of that name could not be replaced: "-", which is standard output,
// what is there and is neither a file nor a folder (a device, a pipe), and a descriptor such as /dev/fd/3.
inline bool is_stream(const fs::path& path) {
    const std::string name = path.generic_string();
    for (const char* const descriptor : {"/dev/fd/", "/proc/self/fd/", "/dev/stdout", "/dev/stderr"})
        if (name.rfind(descriptor, 0) == 0) return true;
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    return name == "-" || (fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status));
}

// The name under which standard output can be opened without a place of its own in the file behind it.
inline bool is_standard_output(const fs::path& path) {
    return path == "-" || path == "/dev/stdout" || path == "/dev/fd/1" || path == "/proc/self/fd/1";
}

// A file that is written under a temporary name, in the same folder, and takes its own in one step. What is not
// committed is removed. The temporary name is unpredictable and new: never a file that is there, nor a link. Of a link, the
// file that it leads to is replaced.
class AtomicFile {
public:
    explicit AtomicFile(const fs::path& path) : path_(path), target_(path) {
        std::error_code error;
        for (int links = 0; fs::is_symlink(target_, error); ++links) {  // also where the last one leads to nothing yet
            const fs::path next = fs::read_symlink(target_, error);
            if (error || links == 40) fail(": too many links");
            target_ = target_.parent_path() / next;  // `next` alone where it is absolute
        }
        std::random_device random;
        std::ostringstream name;
        name << '.' << std::hex << random() << random() << ".part";
        part_ = target_.parent_path() / fs::path(name.str() + path.extension().string());
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
        fs::rename(part_, target_, error);
        if (error) fail(": " + error.message());
    }

    [[noreturn]] void fail(const std::string& reason = "") const {
        throw OutputError("cannot write " + yolov5_dnn::detail::utf8(path_) + reason);
    }

private:
    fs::path path_, target_, part_;
};

// A file in the output's folder, whose name the user has not typed. Throws OutputError if a link, or something that is no
// file, has that name.
inline const fs::path& own_file(const fs::path& path) {
    std::error_code error;
    const fs::file_status status = fs::symlink_status(path, error);
    if (fs::is_symlink(status))
        throw OutputError("cannot write " + yolov5_dnn::detail::utf8(path) + ": it is a symbolic link");
    if (fs::exists(status) && !fs::is_regular_file(status))
        throw OutputError("cannot write " + yolov5_dnn::detail::utf8(path) + ": it is there and is no file");
    return path;
}

inline const fs::path& made_folder_of(const fs::path& path);

// Text that grows result by result: a file that appears under its name when it is closed. If it is to be `growing`, it is
// there from the start, and each result can be read as soon as it is flushed; so it can where `is_stream`.
class TextFile {
public:
    explicit TextFile(const fs::path& path, bool growing = false) : path_(path), growing_(growing || is_stream(path)) {
        if (is_standard_output(path)) {
            text_ = &std::cout;
        } else if (is_stream(path)) {
            stream_.open(path, std::ios::binary | std::ios::app);  // at its end, not anew
        } else {
            file_ = std::make_unique<AtomicFile>(made_folder_of(path));
            if (growing) {
                file_->commit();
                file_.reset();
            }
            stream_.open(file_ ? file_->part() : path, std::ios::binary | std::ios::app);
        }
        if (!*text_) fail();
        text_->imbue(std::locale::classic());
    }

    TextFile(const TextFile&) = delete;
    TextFile& operator=(const TextFile&) = delete;

    std::ostream& text() { return *text_; }

    // Lets readers see what has been written.
    void added() {
        if (growing_) text_->flush();
        if (!*text_) fail();
    }

    void close() {
        text_->flush();
        if (stream_.is_open()) stream_.close();
        if (!*text_) fail();
        if (file_) file_->commit();
    }

private:
    [[noreturn]] void fail() const { throw OutputError("cannot write " + yolov5_dnn::detail::utf8(path_)); }

    fs::path path_;
    bool growing_;
    std::unique_ptr<AtomicFile> file_;
    std::ofstream stream_;
    std::ostream* text_ = &stream_;
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

// A time in UTC, as ISO 8601 has it: 2026-12-01T02:15:30.250Z.
inline std::string iso_time(std::chrono::system_clock::time_point time) {
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
    const std::time_t seconds = static_cast<std::time_t>(since / 1000);
    std::tm parts{};
#ifdef _WIN32
    gmtime_s(&parts, &seconds);
#else
    gmtime_r(&seconds, &parts);
#endif
    std::ostringstream text;
    text.imbue(std::locale::classic());
    text << std::put_time(&parts, "%Y-%m-%dT%H:%M:%S") << '.' << std::setw(3) << std::setfill('0') << since % 1000
         << 'Z';
    return text.str();
}

// An object per image or frame: file, frame of a video, time of a live source, width, height and detections, with their boxes
// as x1, y1, x2, y2 in pixels, and where there are some, their masks as COCO's RLE and their keypoints as x, y. In an array, or
// if they are to be `lines`, one a line, each of which can be read as soon as it is added.
class JsonFile {
public:
    JsonFile(const fs::path& path, bool lines) : file_(path, lines), stream_(file_.text()), lines_(lines) {}

    void add(const Frame& frame, const std::vector<Detection>& detections, const std::vector<std::string>& names) {
        stream_ << (lines_ ? "" : separator_) << R"({"file": )" << quoted(frame.source->name);
        if (frame.index >= 0) stream_ << R"(, "frame": )" << frame.index;
        if (frame.source->kind == Kind::live) stream_ << R"(, "time": )" << quoted(iso_time(frame.taken));
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
        stream_ << (lines_ ? "]}\n" : "]}");
        separator_ = ",\n";
        file_.added();
    }

    void close() {
        if (!lines_) stream_ << (separator_[0] == '[' ? "[]\n" : "\n]\n");
        file_.close();
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

    TextFile file_;
    std::ostream& stream_;
    bool lines_;
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
        cv::VideoCapture written(
            fs::absolute(video_file_->part()).string());  // OpenCV says nothing when a disk is full
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
            if (!video_.open(fs::absolute(video_file_->part()).string(), cv::VideoWriter::fourcc('m', 'p', '4', 'v'),
                             fps, video_size_)) {
                path.replace_extension(".avi");  // a build without FFmpeg has only this
                video_file_ = std::make_unique<AtomicFile>(path);
                video_.open(fs::absolute(video_file_->part()).string(), cv::VideoWriter::fourcc('M', 'J', 'P', 'G'),
                            fps, video_size_);
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
            if (std::none_of(sources_.begin(), sources_.end(), is_path)) return own_file(path);
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
