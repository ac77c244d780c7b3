// SPDX-License-Identifier: Apache-2.0
// How the converter is called: messages name it.

#pragma once

#include <algorithm>
#include <cctype>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>

#include "unicode.hpp"

namespace yolov5_dnn {

namespace detail {

constexpr const char* how_to_convert = "convert its checkpoint with: python -m convert CHECKPOINT.pt";

// A path for a shell to read.
inline std::string shell_quoted(const std::string& path) {
    const auto plain = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) || std::strchr("@%+=:,./-_", c);
    };
    if (!path.empty() && std::all_of(path.begin(), path.end(), plain)) return path;
    std::string quoted = "'";
    for (const char c : path) quoted += c == '\'' ? std::string("'\"'\"'") : std::string(1, c);
    return quoted + "'";
}

inline std::string how_to_convert_this(const std::string& checkpoint) {
    return "convert it with: python -m convert " + shell_quoted(checkpoint);
}

// Says how a missing model file is made, of the checkpoint beside it if there is one.
inline std::string how_to_make(const std::filesystem::path& path) {
    std::error_code error;
    for (const char* const suffix : {".pt", ".pth"}) {
        const std::filesystem::path beside = std::filesystem::path(path).replace_extension(suffix);
        if (std::filesystem::is_regular_file(beside, error))
            return how_to_convert_this(utf8(beside)) + " --output " + shell_quoted(utf8(path));
    }
    return std::string(how_to_convert) + " --output " + shell_quoted(utf8(path));
}

}  // namespace detail

}  // namespace yolov5_dnn
