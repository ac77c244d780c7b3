// SPDX-License-Identifier: Apache-2.0
// Text that others wrote, made fit to be shown: class names, file names, OpenCV's own messages.

#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

#include "unicode.hpp"

namespace yolov5_dnn {

namespace detail {

constexpr std::size_t most_escaped = 200;  // characters of one text in a message

// Control characters, with line breaks and the escape that starts a terminal's commands; what turns the direction of
// writing; other invisible letters. The joiners U+200C and U+200D stay: Persian and emoji need them.
inline bool is_hidden(unsigned code) {
    constexpr unsigned ranges[][2] = {{0x00, 0x1F},      {0x7F, 0x9F},     {0xAD, 0xAD},     {0x61C, 0x61C},
                                      {0x180E, 0x180E},  {0x200B, 0x200B}, {0x200E, 0x200F}, {0x2028, 0x202E},
                                      {0x2060, 0x206F},  {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0xFFFE, 0xFFFF},
                                      {0xE0000, 0xE007F}};
    for (const auto& range : ranges)
        if (code >= range[0] && code <= range[1]) return true;
    return false;
}

// The code of the UTF-8 character that text[at] begins, of which `character_length` has told the length.
inline unsigned character_code(std::string_view text, std::size_t at, std::size_t length) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(text[at + i])); };
    if (length == 1) return byte(0);
    unsigned code = byte(0) & (0xFFU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) code = code << 6 | (byte(i) & 0x3F);
    return code;
}

}  // namespace detail

// Writes control characters, line breaks and invisible letters as escapes such as \x1b, and broken UTF-8 as �. Of a
// longer text than `most` characters the first ones stay, and "…" says so.
inline std::string escape(std::string_view text, std::size_t most = detail::most_escaped) {
    std::string shown;
    std::size_t characters = 0, before_last = 0;
    for (std::size_t at = 0; at < text.size();) {
        if (++characters > most) return shown.substr(0, before_last) + "…";
        before_last = shown.size();
        const std::size_t length = detail::character_length(text, at);
        const unsigned code = length ? detail::character_code(text, at, length) : 0xFFFD;
        if (detail::is_hidden(code)) {
            char escaped[16];
            const char* const format = code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x";
            std::snprintf(escaped, sizeof escaped, format, code);
            shown += code == '\t' ? "\\t" : code == '\n' ? "\\n" : code == '\r' ? "\\r" : escaped;
        } else {
            shown += length ? std::string(text.substr(at, length)) : "�";
        }
        at += length ? length : 1;
    }
    return shown;
}

}  // namespace yolov5_dnn
