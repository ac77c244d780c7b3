// SPDX-License-Identifier: Apache-2.0
// Reads the golden cases of tests/cases, see README.md there.

#pragma once

#include <yolov5_dnn.hpp>

#include <array>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace golden {

using yolov5_dnn::detail::Json;

inline std::vector<Json> read(const std::string& name) {
    std::ifstream file(std::string(YOLOV5_DNN_CASES) + "/" + name, std::ios::binary);
    if (!file) throw std::runtime_error("tests/cases/" + name + " is missing");
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    return yolov5_dnn::detail::JsonReader::read(text).items;
}

inline bool has(const Json& object, const std::string& key) {
    return std::find(object.keys.begin(), object.keys.end(), key) != object.keys.end();
}

inline const Json& get(const Json& object, const std::string& key) {
    const auto at = std::find(object.keys.begin(), object.keys.end(), key);
    if (at == object.keys.end()) throw std::runtime_error("a case lacks " + key);
    return object.items[static_cast<std::size_t>(at - object.keys.begin())];
}

// A number, or one of the words that stand for what JSON has no number for.
inline double number(const Json& json) {
    if (json.type == Json::Type::string && json.string == "NaN") return std::nan("");
    if (json.type != Json::Type::number) throw std::runtime_error("a case has something else for a number");
    return json.number;
}

template <typename Number>
std::vector<Number> numbers(const Json& list) {
    std::vector<Number> values;
    for (const Json& item : list.items) values.push_back(static_cast<Number>(number(item)));
    return values;
}

inline int integer(const Json& object, const std::string& key) { return static_cast<int>(number(get(object, key))); }

// [height, width]
inline cv::Size size(const Json& pair) {
    return {static_cast<int>(number(pair.items.at(1))), static_cast<int>(number(pair.items.at(0)))};
}

inline std::vector<cv::Vec4f> boxes(const Json& list) {
    std::vector<cv::Vec4f> xyxy;
    for (const Json& row : list.items) {
        const auto edges = numbers<float>(row);
        xyxy.push_back({edges.at(0), edges.at(1), edges.at(2), edges.at(3)});
    }
    return xyxy;
}

inline std::vector<yolov5_dnn::Anchors> anchors(const Json& list) {
    std::vector<yolov5_dnn::Anchors> all;
    for (const Json& head : list.items) {
        yolov5_dnn::Anchors pairs;
        for (const Json& pair : head.items) {
            const auto sides = numbers<float>(pair);
            pairs.emplace_back(sides.at(0), sides.at(1));
        }
        all.push_back(pairs);
    }
    return all;
}

inline std::vector<std::string> texts(const Json& list) {
    std::vector<std::string> all;
    for (const Json& item : list.items) all.push_back(item.string);
    return all;
}

// The picture of the formula.
inline cv::Mat picture(const Json& image) {
    const int channels = integer(image, "channels");
    const bool deep = integer(image, "bits") == 16;
    cv::Mat pixels(integer(image, "height"), integer(image, "width"), CV_MAKETYPE(deep ? CV_16U : CV_8U, channels));
    for (int y = 0; y < pixels.rows; ++y) {
        for (int i = 0; i < pixels.cols * channels; ++i) {
            const int x = i / channels, c = i % channels;
            const int value = (7 * x + 13 * y + 31 * c + (x * y) % 17) % 256;
            if (deep) {
                pixels.ptr<std::uint16_t>(y)[i] = static_cast<std::uint16_t>(256 * value + (x + y) % 256);
            } else {
                pixels.ptr<unsigned char>(y)[i] = static_cast<unsigned char>(value);
            }
        }
    }
    return pixels;
}

inline std::string base64(const std::string& text) {
    const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string bytes;
    std::uint32_t bits = 0;
    int count = 0;
    for (const char c : text) {
        if (c == '=') break;
        bits = bits << 6 | static_cast<std::uint32_t>(alphabet.find(c));
        count += 6;
        if (count >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 0xFF);
    }
    return bytes;
}

// FIPS 180-4, of a message in memory.
inline std::string sha256(const void* data, std::size_t size) {
    const auto rotated = [](std::uint32_t x, int by) { return x >> by | x << (32 - by); };
    // The fractions of the square and cube roots of the first primes.
    std::array<std::uint32_t, 64> k{};
    std::array<std::uint32_t, 8> h{};
    for (std::uint32_t n = 0, candidate = 2; n < 64; ++candidate) {
        bool prime = true;
        for (std::uint32_t d = 2; d * d <= candidate; ++d) prime = prime && candidate % d != 0;
        if (!prime) continue;
        const auto fraction = [](long double root) {
            return static_cast<std::uint32_t>((root - std::floor(root)) * 4294967296.0L);
        };
        if (n < 8) h[n] = fraction(std::sqrt(static_cast<long double>(candidate)));
        k[n++] = fraction(std::cbrt(static_cast<long double>(candidate)));
    }
    std::string message(static_cast<const char*>(data), size);
    message += '\x80';
    message.append((120 - message.size() % 64) % 64, '\0');
    for (int shift = 56; shift >= 0; shift -= 8)
        message += static_cast<char>(static_cast<std::uint64_t>(size) * 8 >> shift & 0xFF);
    for (std::size_t block = 0; block < message.size(); block += 64) {
        std::array<std::uint32_t, 64> w{};
        for (std::size_t i = 0; i < 64; ++i)
            w[i / 4 % 16] = w[i / 4 % 16] << 8 | static_cast<unsigned char>(message[block + i]);
        for (std::size_t i = 16; i < 64; ++i) {
            const std::uint32_t a = w[i - 15], b = w[i - 2];
            w[i] = w[i - 16] + (rotated(a, 7) ^ rotated(a, 18) ^ a >> 3) + w[i - 7] +
                   (rotated(b, 17) ^ rotated(b, 19) ^ b >> 10);
        }
        std::array<std::uint32_t, 8> s = h;
        for (std::size_t i = 0; i < 64; ++i) {
            const std::uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
            const std::uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
            const std::uint32_t first =
                s[7] + (rotated(s[4], 6) ^ rotated(s[4], 11) ^ rotated(s[4], 25)) + choice + k[i] + w[i];
            const std::uint32_t second = (rotated(s[0], 2) ^ rotated(s[0], 13) ^ rotated(s[0], 22)) + majority;
            s = {first + second, s[0], s[1], s[2], s[3] + first, s[4], s[5], s[6]};
        }
        for (std::size_t i = 0; i < 8; ++i) h[i] += s[i];
    }
    std::string text;
    for (const std::uint32_t word : h)
        for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[word >> shift & 15];
    return text;
}

inline std::string sha256(const cv::Mat& pixels) {
    const cv::Mat together = pixels.isContinuous() ? pixels : pixels.clone();
    return sha256(together.data, together.total() * together.elemSize());
}

}  // namespace golden
