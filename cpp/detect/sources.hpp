// SPDX-License-Identifier: Apache-2.0
// What yolov5-detect looks at: pictures, videos, cameras and streams.

#pragma once

#include <yolov5_dnn.hpp>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "options.hpp"

namespace detect {

namespace fs = std::filesystem;
using yolov5_dnn::InputError;

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

}  // namespace detect
