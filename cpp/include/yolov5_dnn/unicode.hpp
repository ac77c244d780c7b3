// SPDX-License-Identifier: Apache-2.0
// UTF-8: the names of files, and how long a character is.

#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace yolov5_dnn {

namespace detail {

// A file's name as UTF-8, for messages.
inline std::string utf8(const std::filesystem::path& path) {
    const auto text = path.u8string();  // made of char8_t from C++20 on
    return std::string(text.begin(), text.end());
}

// Appends a character by its code point.
inline void append_utf8(std::string& text, unsigned code) {
    const auto append = [&text](unsigned byte) { text += static_cast<char>(static_cast<unsigned char>(byte)); };
    if (code < 0x80) {
        append(code);
    } else if (code < 0x800) {
        append(0xC0 | (code >> 6));
        append(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        append(0xE0 | (code >> 12));
        append(0x80 | ((code >> 6) & 0x3F));
        append(0x80 | (code & 0x3F));
    } else {
        append(0xF0 | (code >> 18));
        append(0x80 | ((code >> 12) & 0x3F));
        append(0x80 | ((code >> 6) & 0x3F));
        append(0x80 | (code & 0x3F));
    }
}

// Length in bytes of the UTF-8 character at text[at], or 0 if there is none, or a broken, overlong or surrogate one.
inline std::size_t character_length(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) {
        return at + i < text.size() ? static_cast<unsigned>(static_cast<unsigned char>(text[at + i])) : 0U;
    };
    const unsigned lead = byte(0), second = byte(1);
    if (lead < 0x80) return at < text.size() ? 1 : 0;
    const std::size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xC0) != 0x80) return 0;
    const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
    const bool surrogate = lead == 0xED && second >= 0xA0, beyond = lead == 0xF4 && second >= 0x90;
    return overlong || surrogate || beyond ? 0 : length;
}

}  // namespace detail

}  // namespace yolov5_dnn
