// SPDX-License-Identifier: Apache-2.0
// The wire format of protocol buffers, which ONNX files are written in:
// https://protobuf.dev/programming-guides/encoding

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "errors.hpp"

namespace yolov5_dnn {

namespace detail {

// How a field's value is written.
enum class WireType : std::uint64_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

// One field of a message.
struct ProtoField {
    std::uint64_t number = 0;
    WireType type = WireType::varint;
    std::size_t tag = 0;    // position of the field's first byte
    std::size_t start = 0;  // of its value
    std::size_t end = 0;

    // Is it the field of this number, and its value text, bytes or a message?
    bool is(std::uint64_t wanted) const { return number == wanted && type == WireType::bytes; }
};

// Walks over the fields of the message in bytes [start, end) of a buffer, and never out of it.
class ProtoReader {
public:
    ProtoReader(const std::vector<unsigned char>& buffer, std::size_t start, std::size_t end)
        : buffer_(buffer), at_(start), end_(end) {}

    // Moves on to the next field; false after the last. Throws Invalid if the bytes are no message.
    bool next(ProtoField& field) {
        if (at_ == end_) return false;
        field = ProtoField();
        field.tag = at_;
        const std::uint64_t key = varint();
        field.number = key >> 3;
        if (field.number == 0) throw Invalid("a field number is 0 at byte " + std::to_string(field.tag));
        field.type = static_cast<WireType>(key & 7);
        std::uint64_t length = 0;
        switch (field.type) {
            case WireType::varint: varint(); break;
            case WireType::fixed64: length = 8; break;
            case WireType::bytes: length = varint(); break;
            case WireType::fixed32: length = 4; break;
            default:
                throw Invalid("the wire type " + std::to_string(key & 7) + " at byte " + std::to_string(field.tag) +
                              " is unknown");
        }
        if (length > end_ - at_)
            throw Invalid("it ends in the midst of the field at byte " + std::to_string(field.tag));
        field.start = at_;
        at_ += static_cast<std::size_t>(length);
        field.end = at_;
        return true;
    }

private:
    // A number of seven bits per byte, lowest first.
    std::uint64_t varint() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 70; shift += 7) {
            if (at_ == end_) throw Invalid("it ends in the midst of a number at byte " + std::to_string(at_));
            const unsigned char byte = buffer_[at_++];
            value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
            if (byte < 0x80) return value;
        }
        throw Invalid("a number is longer than ten bytes at byte " + std::to_string(at_));
    }

    const std::vector<unsigned char>& buffer_;
    std::size_t at_;
    std::size_t end_;
};

// The first byte of a field with bytes, for numbers below 16.
constexpr unsigned char tag_of(std::uint64_t number) {
    return static_cast<unsigned char>(number << 3 | static_cast<std::uint64_t>(WireType::bytes));
}

inline std::string text_of(const std::vector<unsigned char>& buffer, const ProtoField& field) {
    return std::string(buffer.data() + field.start, buffer.data() + field.end);
}

}  // namespace detail

}  // namespace yolov5_dnn
