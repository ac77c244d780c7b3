// SPDX-License-Identifier: Apache-2.0
// The size of a picture, read from the first bytes of its file: a few kilobytes can unpack to gigabytes. The twin of
// runtime/inputs/image_header.py, without the orientation, which OpenCV applies here.

#pragma once

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace detect {

struct ImageSize {
    std::uint64_t width = 0, height = 0;
};

// The bytes of a file, as numbers; each function gives nothing for what lies beyond the end.
class Bytes {
public:
    Bytes(std::string_view data, bool big_endian) : data_(data), big_endian_(big_endian) {}

    std::optional<std::uint64_t> at(std::uint64_t position, std::size_t width) const {
        if (position > data_.size() || width > data_.size() - position) return std::nullopt;
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < width; ++i) {
            const std::size_t from_low = big_endian_ ? i : width - 1 - i;
            value = value << 8 | static_cast<unsigned char>(data_[static_cast<std::size_t>(position) + from_low]);
        }
        return value;
    }

private:
    std::string_view data_;
    bool big_endian_;
};

using Number = std::optional<std::uint64_t>;

inline std::optional<ImageSize> size_of(Number width, Number height) {
    if (!width || !height) return std::nullopt;
    return ImageSize{*width, *height};
}

constexpr std::size_t max_chunks = 10000;  // more parts than any camera or editor writes

// Walks the segments as libjpeg does: it passes over bytes between them, and knows markers without a length.
inline std::optional<ImageSize> jpeg_size(std::string_view data) {
    const Bytes bytes(data, true);
    std::size_t at = 2;
    for (std::size_t i = 0; i < max_chunks; ++i) {
        at = data.find('\xFF', at);
        at = data.find_first_not_of('\xFF', at);
        const Number marker = bytes.at(at, 1);
        if (!marker) return std::nullopt;
        if (*marker <= 0x01 || (*marker >= 0xD0 && *marker <= 0xD7)) {
            ++at;
            continue;
        }
        if (*marker >= 0xD8 && *marker <= 0xDA) return std::nullopt;  // the picture's data, or its end
        if (*marker >= 0xC0 && *marker <= 0xCF && *marker != 0xC4 && *marker != 0xC8 && *marker != 0xCC)
            return size_of(bytes.at(at + 6, 2), bytes.at(at + 4, 2));
        const Number length = bytes.at(at + 1, 2);
        if (!length || *length < 2) return std::nullopt;
        at += 1 + static_cast<std::size_t>(*length);
    }
    return std::nullopt;
}

// IHDR comes first and holds the size. Nothing for a chunk that says it is longer than the file and 16 MiB that it may lack:
// OpenCV 5 takes that much memory before it reads the chunk.
inline std::optional<ImageSize> png_size(std::string_view data) {
    const Bytes bytes(data, true);
    std::uint64_t at = 8;
    for (std::size_t i = 0; i < 1000000; ++i) {
        const Number length = bytes.at(at, 4);
        if (!length || at + 8 > data.size()) return size_of(bytes.at(16, 4), bytes.at(20, 4));
        if (*length > data.size() + (1U << 24)) return std::nullopt;
        at += 12 + *length;  // a checksum follows the data
    }
    return std::nullopt;
}

inline std::optional<ImageSize> webp_size(std::string_view data) {
    const Bytes bytes(data, false);
    std::uint64_t at = 12;
    for (std::size_t i = 0; i < max_chunks && at + 8 <= data.size(); ++i) {
        const std::string_view kind = data.substr(static_cast<std::size_t>(at), 4);
        if (kind == "VP8X") {
            const Number width = bytes.at(at + 12, 3), height = bytes.at(at + 15, 3);
            if (width && height) return ImageSize{*width + 1, *height + 1};
        } else if (kind == "VP8 ") {
            const Number width = bytes.at(at + 14, 2), height = bytes.at(at + 16, 2);
            if (width && height) return ImageSize{*width & 0x3FFF, *height & 0x3FFF};
        } else if (kind == "VP8L") {
            if (const Number bits = bytes.at(at + 9, 4))
                return ImageSize{1 + (*bits & 0x3FFF), 1 + (*bits >> 14 & 0x3FFF)};
        }
        const Number length = bytes.at(at + 4, 4);
        if (!length) return std::nullopt;
        at += 8 + *length + *length % 2;
    }
    return std::nullopt;
}

// A TIFF's first directory; a BigTIFF's counts and offsets have 64 bits.
inline std::optional<ImageSize> tiff_size(std::string_view data, bool big_endian, bool big) {
    const Bytes bytes(data, big_endian);
    const std::size_t word = big ? 8 : 4, entry = big ? 20 : 12;
    const Number directory = bytes.at(big ? 8 : 4, word);
    if (!directory) return std::nullopt;
    const Number count = bytes.at(*directory, big ? 8 : 2);
    if (!count) return std::nullopt;
    Number width, height;
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(*count, max_chunks); ++i) {
        const std::uint64_t at = *directory + (big ? 8 : 2) + entry * i;
        const Number tag = bytes.at(at, 2), kind = bytes.at(at + 2, 2);
        if (!tag || !kind) break;
        // With and without a sign: a size below 0 is a huge one here.
        const std::uint64_t of_8 = *kind == 1 || *kind == 6, of_16 = *kind == 3 || *kind == 8;
        const std::uint64_t of_32 = *kind == 4 || *kind == 9, of_64 = *kind == 16 || *kind == 17;
        const std::size_t size = of_8 ? 1 : of_16 ? 2 : of_32 ? 4 : of_64 ? 8 : 0;
        if (size == 0 || (*tag != 0x100 && *tag != 0x101)) continue;
        // Given twice, the larger one counts: readers take the first or the last one.
        Number& side = *tag == 0x100 ? width : height;
        if (const Number value = bytes.at(at + 4 + word, size)) side = std::max(side.value_or(0), *value);
    }
    return size_of(width, height);
}

inline std::optional<ImageSize> bmp_size(std::string_view data) {
    const Bytes bytes(data, false);
    if (bytes.at(14, 4) == Number(12)) return size_of(bytes.at(18, 2), bytes.at(20, 2));  // OS/2's header
    Number width = bytes.at(18, 4), height = bytes.at(22, 4);
    for (Number* const side : {&width, &height})  // a negative height means rows from the top
        if (*side && **side > 0x7FFFFFFF) *side = 0x100000000 - **side;
    return size_of(width, height);
}

// A whole number of up to nine digits.
inline Number digits(const std::string& word) {
    if (word.empty() || word.size() > 9 || word.find_first_not_of("0123456789") != std::string::npos)
        return std::nullopt;
    return std::stoul(word);
}

// The words of a text, without comments.
inline std::vector<std::string> words_of(std::string_view text, std::size_t most) {
    std::vector<std::string> words(1);
    bool comment = false;
    for (const char c : text) {
        if (c == '#') comment = true;
        if (c == '\n' || c == '\r') comment = false;
        if (comment) continue;
        if (!std::isspace(static_cast<unsigned char>(c))) {
            words.back() += c;
        } else if (!words.back().empty()) {
            if (words.size() == most) return words;
            words.emplace_back();
        }
    }
    return words;
}

// PBM, PGM, PPM, PFM or PAM: https://netpbm.sourceforge.net/doc/pnm.html. Of several WIDTH or HEIGHT of a PAM file,
// also in the text of a TUPLTYPE, the largest counts.
inline std::optional<ImageSize> netpbm_size(std::string_view data) {
    const std::vector<std::string> words = words_of(data.substr(0, 1 << 16), 32);
    if (words[0] != "P7") return words.size() < 3 ? std::nullopt : size_of(digits(words[1]), digits(words[2]));
    Number width, height;
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        if (words[i] == "WIDTH") width = std::max(width, digits(words[i + 1]));
        if (words[i] == "HEIGHT") height = std::max(height, digits(words[i + 1]));
    }
    return size_of(width, height);
}

// Radiance HDR: a line "-Y height +X width" after the text; of several, the one with the largest size.
inline std::optional<ImageSize> radiance_size(std::string_view data) {
    data = data.substr(0, 1 << 16);
    std::optional<ImageSize> largest;
    for (std::size_t at = data.find('\n'); at != std::string_view::npos; at = data.find('\n', at + 1)) {
        const std::string_view line = data.substr(at + 1, data.find('\n', at + 1) - at - 1);
        if (line.substr(0, 3) != "-Y " && line.substr(0, 3) != "+Y ") continue;
        const std::vector<std::string> words = words_of(line, 5);
        if (words.size() < 4) continue;
        const auto size = size_of(digits(words[3]), digits(words[1]));
        if (size && (!largest || size->width * size->height > largest->width * largest->height)) largest = size;
    }
    return largest;
}

// Where the codestream of a JPEG 2000 file begins: in its first box "jp2c" (ISO/IEC 15444-1, I.4), or at once.
inline std::size_t jpeg2000_codestream(std::string_view data) {
    const Bytes bytes(data, true);
    if (data.substr(0, 2) == "\xFF\x4F") return 0;
    std::uint64_t at = 0;
    for (std::size_t i = 0; i < max_chunks && at + 8 <= data.size(); ++i) {
        const std::uint64_t length = *bytes.at(at, 4), more = length == 1 ? 8 : 0;
        if (data.substr(static_cast<std::size_t>(at) + 4, 4) == "jp2c") return static_cast<std::size_t>(at + 8 + more);
        const Number whole = more ? bytes.at(at + 8, 8) : Number(length);
        if (!whole || *whole < 8 + more || *whole > data.size() - at) break;
        at += *whole;
    }
    return std::string_view::npos;
}

// The SIZ marker of a JPEG 2000 codestream (ISO/IEC 15444-1, A.5.1), boxed or bare.
inline std::optional<ImageSize> jpeg2000_size(std::string_view data) {
    const std::size_t marker = jpeg2000_codestream(data);
    if (marker >= data.size() || data.substr(marker, 4) != "\xFF\x4F\xFF\x51") return std::nullopt;
    const Bytes bytes(data, true);
    const Number right = bytes.at(marker + 8, 4), lower = bytes.at(marker + 12, 4);
    const Number left = bytes.at(marker + 16, 4), top = bytes.at(marker + 20, 4);
    if (!right || !lower || !left || !top || *right < *left || *lower < *top) return std::nullopt;
    return ImageSize{*right - *left, *lower - *top};
}

// The largest image spatial extents ("ispe", ISO/IEC 23008-12, 6.5.3) of an AVIF.
inline std::optional<ImageSize> avif_size(std::string_view data) {
    const Bytes bytes(data, true);
    data = data.substr(0, 1 << 20);
    std::optional<ImageSize> largest;
    for (std::size_t at = data.find("ispe"); at != std::string_view::npos; at = data.find("ispe", at + 4)) {
        const auto size = size_of(bytes.at(at + 8, 4), bytes.at(at + 12, 4));
        if (size && (!largest || size->width * size->height > largest->width * largest->height)) largest = size;
    }
    return largest;
}

// The size of a picture of any format that OpenCV decodes; nothing for what is none, or damaged.
inline std::optional<ImageSize> image_size(std::string_view data) {
    using namespace std::string_view_literals;
    const auto begins = [&](std::string_view with) { return data.substr(0, with.size()) == with; };
    if (begins("\xFF\xD8\xFF")) return jpeg_size(data);
    if (begins("\x89PNG\r\n\x1A\n")) return png_size(data);
    if (begins("RIFF") && data.substr(8, 4 * (data.size() > 12)) == "WEBP") return webp_size(data);
    if (begins("II*\0"sv) || begins("MM\0*"sv)) return tiff_size(data, data[0] == 'M', false);
    if (begins("II+\0"sv) || begins("MM\0+"sv)) return tiff_size(data, data[0] == 'M', true);
    if (begins("BM")) return bmp_size(data);
    if (begins("GIF8")) return size_of(Bytes(data, false).at(6, 2), Bytes(data, false).at(8, 2));
    if (begins("\x59\xA6\x6A\x95"))  // Sun raster
        return size_of(Bytes(data, true).at(4, 4), Bytes(data, true).at(8, 4));
    if (begins("P") && data.size() > 1 && "123456fF7"sv.find(data[1]) != std::string_view::npos)
        return netpbm_size(data);
    if (begins("#?")) return radiance_size(data);
    if (begins("\xFF\x4F\xFF\x51")) return jpeg2000_size(data);
    if (data.size() > 8 && data.substr(4, 4) == "jP  ") return jpeg2000_size(data);
    if (data.size() > 8 && data.substr(4, 4) == "ftyp") return avif_size(data);
    return std::nullopt;
}

}  // namespace detect
