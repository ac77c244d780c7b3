// SPDX-License-Identifier: Apache-2.0
// Reading the sources: pictures one by one, videos frame by frame, live streams for as long as they last.

#pragma once

#include <yolov5_dnn.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/videoio.hpp>
#include <opencv2/videoio/registry.hpp>

#include "image_header.hpp"
#include "interrupt.hpp"
#include "sources.hpp"
#include "standard_input.hpp"

namespace detect {

constexpr int timeout_ms = 10'000;  // for opening a stream, and for its next frame

// One picture to look at.
struct Frame {
    const Source* source = nullptr;
    cv::Mat image;                                     // BGR, or as the file has it, see `read_picture`
    int index = -1;                                    // in its video or stream, from 0; -1 for a picture file
    double fps = 0;                                    // of its video or stream
    std::chrono::system_clock::time_point taken = {};  // of a live source
};

// Something to report, which names the source: the rest of that is lost.
struct Problem {
    const Source* source;
    std::string text;
};

// There is no more to come from a source.
struct End {
    const Source* source;
};

using Event = std::variant<Frame, Problem, End>;

// The bytes of a picture. Not read by OpenCV's imread, because that takes no Chinese names on Windows.
inline std::string read_bytes(const Source& source) {
    if (source.path.empty()) {
        try {
            return read_standard_input();
        } catch (const InputError& error) {
            throw InputError(source.name + ": " + error.what());
        }
    }
    std::ifstream file(source.path, std::ios::binary);
    if (!file) throw InputError(source.name + ": cannot be read");
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Throws InputError if a picture has more than `max_pixels`.
inline void check_size(const Source& source, std::uint64_t width, std::uint64_t height, int max_pixels) {
    if (height && width > static_cast<std::uint64_t>(max_pixels) / height)
        throw InputError(source.name + ": its " + std::to_string(width) + "x" + std::to_string(height) +
                         " pixels are more than the " + std::to_string(max_pixels) + " that are decoded");
}

inline void check_size(const Source& source, const cv::Mat& image, int max_pixels) {
    check_size(source, static_cast<std::uint64_t>(image.cols), static_cast<std::uint64_t>(image.rows), max_pixels);
}

// A picture of a file or of standard input; empty where Ctrl-C ended the waiting for it. For a model of 1 or 3 channels
// it comes as BGR, 8 bits; for one of any other number with all channels and bits that it has. Throws InputError.
inline cv::Mat read_picture(const Source& source, int max_pixels, int channels) {
    const std::string data = read_bytes(source);
    if (interrupted) return {};
    if (data.empty()) throw InputError(source.name + ": it is empty");
    const auto size = image_size(data);
    if (!size) throw InputError(source.name + ": not a picture, or one whose size cannot be read from its header");
    check_size(source, size->width, size->height, max_pixels);
    const cv::Mat bytes(1, static_cast<int>(std::min<std::size_t>(data.size(), 1U << 29)), CV_8U,
                        const_cast<char*>(data.data()));
    cv::Mat image;
    try {
        cv::imdecode(bytes, channels == 1 || channels == 3 ? cv::IMREAD_COLOR : cv::IMREAD_UNCHANGED, &image);
    } catch (const cv::Exception& error) {  // OpenCV's own limits, and damaged files
        throw InputError(source.name + ": OpenCV does not decode it: " + yolov5_dnn::detail::reason(error));
    }
    check_size(source, image, max_pixels);
    if (image.empty()) throw InputError(source.name + ": not a picture, or one that this OpenCV does not decode");
    return image;
}

// Opens a video, camera or stream. Throws InputError if it cannot, or if it says that its frames are too large.
inline void open(cv::VideoCapture& capture, const Source& source, int max_pixels) {
    const bool url = source.path.string().find("://") != std::string::npos;
    // Of a file the absolute path: FFmpeg takes "http:host?.mp4", "tcp:…" or "concat:…" for addresses.
    const std::string name = url ? source.path.string() : fs::absolute(source.path).string();
    const auto backends = cv::videoio_registry::getStreamBackends();
    const bool has_ffmpeg = std::find(backends.begin(), backends.end(), cv::CAP_FFMPEG) != backends.end();
    if (source.camera >= 0) {
        capture.open(source.camera);
    } else if (source.kind == Kind::live && url && has_ffmpeg) {
        capture.open(name, cv::CAP_FFMPEG,
                     {cv::CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms, cv::CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms});
    } else {
        capture.open(name);
    }
    if (!capture.isOpened()) throw InputError(source.name + ": cannot be opened as a video or stream");
    const auto stated = [&](int side) { return static_cast<std::uint64_t>(std::max(capture.get(side), 0.0)); };
    check_size(source, stated(cv::CAP_PROP_FRAME_WIDTH), stated(cv::CAP_PROP_FRAME_HEIGHT), max_pixels);
}

// Reads sources one after the other: pictures, and of videos and streams every `vid_stride`-th frame.
class Reader {
public:
    // The sources must outlive the reader, and what it gives.
    Reader(std::vector<const Source*> sources, int max_pixels, int vid_stride, int channels)
        : sources_(std::move(sources)), max_pixels_(max_pixels), vid_stride_(vid_stride), channels_(channels) {}

    // The next frame, or a Problem; after those of a source its End. Nothing after the last source, and, from the end of
    // the current one on, after Ctrl-C.
    std::optional<Event> next() {
        if (at_ == sources_.size() || (interrupted && !begun_)) return {};
        const Source& source = *sources_[at_];
        begun_ = true;
        if (!over_ && !interrupted && given_up_ != &source) {
            try {
                Frame frame = read(source);
                if (!frame.image.empty()) return frame;
            } catch (const InputError& error) {
                over_ = true;
                return Problem{&source, error.what()};
            }
        }
        ++at_;
        index_ = -1;
        begun_ = over_ = false;
        capture_.release();
        return End{&source};
    }

    // Reads no more of a source. Any thread may say so.
    void give_up(const Source& source) { given_up_ = &source; }

private:
    // The next picture of a source, an empty one at its end. Throws InputError.
    Frame read(const Source& source) {
        if (source.kind == Kind::image) {
            over_ = true;
            return {&source, read_picture(source, max_pixels_, channels_), -1, 0, {}};
        }
        if (!capture_.isOpened()) {
            open(capture_, source, max_pixels_);
            const double fps = capture_.get(cv::CAP_PROP_FPS);
            fps_ = (fps > 0 && fps <= 1000 ? fps : 25) / vid_stride_;
        }
        while (!interrupted && capture_.grab()) {
            if (++index_ % vid_stride_) continue;
            Frame frame{&source,
                        {},
                        index_,
                        fps_,
                        std::chrono::system_clock::now()};  // a new picture each: others are still looked at
            if (!capture_.retrieve(frame.image)) break;
            check_size(source, frame.image, max_pixels_);
            return frame;
        }
        if (index_ < 0 && !interrupted) throw InputError(source.name + ": the video has no frame that can be read");
        return {};
    }

    std::vector<const Source*> sources_;
    int max_pixels_, vid_stride_, channels_;
    std::size_t at_ = 0;                 // which one is read,
    bool begun_ = false, over_ = false;  // whether something of it has been given, and whether that was all
    cv::VideoCapture capture_;
    int index_ = -1;
    double fps_ = 0;
    std::atomic<const Source*> given_up_ = nullptr;
};

}  // namespace detect
