// SPDX-License-Identifier: Apache-2.0
// What yolov5-detect looks at: pictures, videos, cameras and streams.

#pragma once

#include <yolov5_dnn.hpp>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/videoio.hpp>

#include "image_header.hpp"
#include "options.hpp"
#include "standard_input.hpp"

namespace detect {

namespace fs = std::filesystem;
using yolov5_dnn::InputError;

// Set by Ctrl-C: everything comes to an end, and what was written is completed.
inline volatile std::sig_atomic_t interrupted = 0;

enum class Kind { image, video, live };

struct Source {
    Kind kind;
    std::string name;  // in messages and results: as given, UTF-8
    fs::path path;     // of a file; empty for a camera and for standard input
    int camera = -1;   // its number
    std::string stem;  // what its output files are called, different for each source
};

inline std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return text;
}

inline bool has_suffix(const fs::path& path, const char* suffixes) {
    const std::string suffix = lower(yolov5_dnn::detail::utf8(path.extension()));
    return !suffix.empty() && (std::string(suffixes) + " ").find(suffix + " ") != std::string::npos;
}

inline bool is_image(const fs::path& path) {
    return has_suffix(path,
                      ".avif .bmp .dib .gif .hdr .jp2 .jpe .jpeg .jpg .pbm .pgm .png .pnm .ppm .ras .sr .tif "
                      ".tiff .webp");
}

inline bool is_video(const fs::path& path) {
    return has_suffix(path,
                      ".3gp .asf .avi .flv .m2ts .m4v .mjpeg .mjpg .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts "
                      ".vob .webm .wmv");
}

// How much there was in folders that nobody looks at.
struct LeftOut {
    int files = 0, subfolders = 0;
};

// A file named by itself counts as a picture whatever its suffix: reading it will tell.
inline Source file_source(const fs::path& given) {
    fs::path path = given.root_path();
    for (const fs::path& part : given.relative_path())
        if (part != "." && !part.empty()) path /= part;
    return {is_video(path) ? Kind::video : Kind::image, yolov5_dnn::detail::utf8(path), path, -1,
            yolov5_dnn::detail::utf8(path.stem())};
}

inline std::string without_password(const std::string& url) {
    const std::size_t user = url.find("://") + 3, at = url.find('@', user), colon = url.find(':', user);
    if (at == std::string::npos || colon > at || url.find('/', user) < at) return url;
    return url.substr(0, colon) + ":***" + url.substr(at);
}

// Gives a folder's pictures and videos by name, then those of its subfolders if wanted, but not those of links. Hidden
// files and folders count for nothing.
inline void walk(const fs::path& folder, bool recursive, std::vector<Source>& sources, LeftOut& left_out) {
    std::vector<fs::path> entries, subfolders;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) entries.push_back(entry);
    std::sort(entries.begin(), entries.end());
    for (const fs::path& path : entries) {
        if (yolov5_dnn::detail::utf8(path.filename())[0] == '.') continue;
        if (!fs::is_directory(path, error)) {
            const bool known = (is_image(path) || is_video(path)) && fs::is_regular_file(path, error);
            if (known)
                sources.push_back(file_source(path));
            else
                ++left_out.files;
        } else if (recursive && !fs::is_symlink(path, error)) {
            subfolders.push_back(path);
        } else {
            ++left_out.subfolders;
        }
    }
    for (const fs::path& path : subfolders) walk(path, recursive, sources, left_out);
}

// The sources that one argument names. Throws InputError if that is nothing.
inline std::vector<Source> find(const std::string& argument, bool recursive, LeftOut& left_out) {
    if (argument.empty()) throw InputError("an empty source; is a variable of your script not set?");
    if (argument == "-") return {{Kind::image, "standard input", {}, -1, "standard-input"}};
    if (!argument.empty() && argument.find_first_not_of("0123456789") == std::string::npos) {
        const int number = to_int(argument);
        return {{Kind::live, "camera " + std::to_string(number), {}, number, "camera" + std::to_string(number)}};
    }
    if (argument.find("://") != std::string::npos && is_image(argument) && lower(argument).rfind("http", 0) == 0)
        throw InputError(without_password(argument) + ": only python -m runtime.detect gets pictures from URLs");
    if (argument.find("://") != std::string::npos)
        return {{is_video(argument) ? Kind::video : Kind::live, without_password(argument), argument, -1, "stream"}};
    const fs::path path(argument);
    std::error_code error;
    if (!fs::exists(path, error)) throw InputError(argument + ": no such file or folder");
    if (fs::is_character_file(path, error))  // a camera's device
        return {{Kind::live, argument, path, -1, yolov5_dnn::detail::utf8(path.filename())}};
    if (fs::is_regular_file(path, error)) return {file_source(path)};
    if (!fs::is_directory(path, error)) throw InputError(argument + ": neither a file nor a folder nor a camera");
    std::vector<Source> sources;
    walk(path, recursive, sources, left_out);
    if (sources.empty())
        throw InputError(argument + ": no pictures or videos in this folder" +
                         (left_out.subfolders ? "; --recursive looks into its subfolders" : ""));
    return sources;
}

// The sources that command-line arguments name, in order. `problems` gets a sentence for each argument that led to
// none, `left_out` what was passed over.
inline std::vector<Source> find_sources(const std::vector<std::string>& arguments, bool recursive,
                                        std::vector<std::string>& problems, LeftOut& left_out) {
    std::vector<Source> sources;
    std::set<std::string> stems;
    int piped = 0;
    for (const std::string& argument : arguments) {
        try {
            if (argument == "-" && piped++) throw InputError("standard input can be read once only");
            for (Source& source : find(argument, recursive, left_out)) {
                const std::string stem = source.stem;
                for (int count = 2; !stems.insert(lower(source.stem)).second; ++count)
                    source.stem = stem + "-" + std::to_string(count);
                sources.push_back(source);
            }
        } catch (const InputError& error) {
            problems.emplace_back(error.what());
        }
    }
    return sources;
}

inline std::string joined(const std::vector<std::string>& texts, const std::string& between) {
    std::string all;
    for (const std::string& text : texts) all += (all.empty() ? "" : between) + text;
    return all;
}

// One picture to look at.
struct Frame {
    cv::Mat image;   // 8 bits, BGR
    int index = -1;  // in its video or stream, from 0; -1 for a picture file
    double fps = 0;  // of its video or stream
};

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

// Calls `use` on each picture of a source, of videos every `vid_stride`-th, until it returns false. Throws InputError
// if the source cannot be read, or its pictures have more than `max_pixels`.
inline void read(const Source& source, int max_pixels, int vid_stride, const std::function<bool(const Frame&)>& use) {
    const auto check = [&](std::uint64_t width, std::uint64_t height) {
        if (height && width > static_cast<std::uint64_t>(max_pixels) / height)
            throw InputError(source.name + ": its " + std::to_string(width) + "x" + std::to_string(height) +
                             " pixels are more than the " + std::to_string(max_pixels) + " that are decoded");
    };
    Frame frame;
    const auto check_image = [&] {
        check(static_cast<std::uint64_t>(frame.image.cols), static_cast<std::uint64_t>(frame.image.rows));
    };
    if (source.kind == Kind::image) {
        const std::string data = read_bytes(source);
        if (interrupted) return;
        if (data.empty()) throw InputError(source.name + ": it is empty");
        if (const auto size = image_size(data)) check(size->width, size->height);
        const cv::Mat bytes(1, static_cast<int>(std::min<std::size_t>(data.size(), 1U << 29)), CV_8U,
                            const_cast<char*>(data.data()));
        try {
            cv::imdecode(bytes, cv::IMREAD_COLOR, &frame.image);
        } catch (const cv::Exception& error) {  // OpenCV's own limits, and damaged files
            throw InputError(source.name + ": OpenCV does not decode it: " + yolov5_dnn::detail::reason(error));
        }
        check_image();
        if (frame.image.empty())
            throw InputError(source.name + ": not a picture, or one that this OpenCV does not decode");
        use(frame);
        return;
    }
    cv::VideoCapture capture;
    if (source.camera >= 0) {
        capture.open(source.camera);
    } else {
        capture.open(source.path.string());
    }
    if (!capture.isOpened()) throw InputError(source.name + ": cannot be opened as a video or stream");
    const auto stated = [&](int side) { return static_cast<std::uint64_t>(std::max(capture.get(side), 0.0)); };
    check(stated(cv::CAP_PROP_FRAME_WIDTH), stated(cv::CAP_PROP_FRAME_HEIGHT));  // before a frame is decoded
    const double fps = capture.get(cv::CAP_PROP_FPS);
    frame.fps = (fps > 0 && fps <= 1000 ? fps : 25) / vid_stride;
    while (!interrupted && capture.grab()) {
        if (++frame.index % vid_stride) continue;
        if (!capture.retrieve(frame.image)) break;
        check_image();
        if (!use(frame)) return;
    }
    if (frame.index < 0) throw InputError(source.name + ": the video has no frame that can be read");
}

}  // namespace detect
