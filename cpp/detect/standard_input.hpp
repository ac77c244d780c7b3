// SPDX-License-Identifier: Apache-2.0
// A picture that is no file: the bytes on standard input.

#pragma once

#include <yolov5_dnn.hpp>

#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#else
#include <poll.h>
#include <unistd.h>
#endif

#include "interrupt.hpp"

namespace detect {

constexpr std::size_t max_piped_bytes = std::size_t{1} << 26;  // 64 MiB

// Reads so many bytes at most; 0 at the end, and where Ctrl-C ends the waiting for them.
inline std::size_t read_piped(char* bytes, std::size_t most) {
#ifdef _WIN32
    return std::fread(bytes, 1, most, stdin);
#else
    pollfd input{STDIN_FILENO, POLLIN, 0};
    int ready = 0;
    while (ready == 0 && !interrupted) ready = poll(&input, 1, 100);  // a signal wakes some thread, maybe not this one
    const ssize_t count = ready > 0 ? ::read(STDIN_FILENO, bytes, most) : 0;
    return count > 0 ? static_cast<std::size_t>(count) : 0;
#endif
}

// What is on standard input, up to its end. Throws InputError, which does not name it, if that is a terminal or has more
// than `max_piped_bytes`.
inline std::string read_standard_input() {
#ifdef _WIN32
    const bool terminal = _isatty(_fileno(stdin)) != 0;
    _setmode(_fileno(stdin), _O_BINARY);
#else
    const bool terminal = isatty(STDIN_FILENO) != 0;
#endif
    if (terminal)
        throw yolov5_dnn::InputError("it is the terminal; send a picture's bytes into it, as with: < picture.jpg");
    std::string data;
    std::vector<char> part(1 << 16);
    while (const std::size_t count = read_piped(part.data(), part.size())) {
        data.append(part.data(), count);
        if (data.size() > max_piped_bytes)
            throw yolov5_dnn::InputError("it has more than the " + std::to_string(max_piped_bytes) +
                                         " bytes that are read");
    }
    return data;
}

}  // namespace detect
