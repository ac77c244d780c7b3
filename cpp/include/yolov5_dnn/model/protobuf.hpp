// SPDX-License-Identifier: Apache-2.0
// A bounded reader of protobuf messages: their fields, by number, out of bytes that nobody vouches for.
// Wire format: https://protobuf.dev/programming-guides/encoding
// Only what a model file may hold is read: no groups, no field that occurs twice although it may only once, no field of
// another wire type than its own.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "../errors.hpp"

namespace yolov5_dnn {

namespace detail {

constexpr std::size_t max_fields = 500000;  // of a whole file; the largest YOLOv5 has about 30,000
constexpr std::size_t max_name = 1024;      // bytes

// How a field's value is written.
enum class WireType : std::uint64_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

// Where a field lies in the bytes: its first byte, and its value from `start` up to `end`.
struct Span {
    std::size_t tag = 0;
    std::size_t start = 0;
    std::size_t end = 0;

    std::size_t size() const { return end - start; }
};

struct ProtoField {
    std::uint64_t number = 0;
    WireType type = WireType::varint;
    Span span;
};

// What a field's value is (int64, float, at most `max_name` bytes, or a message or long value, which is only located),
// and whether the field may occur many times.
struct Kind {
    enum class Value { integer, real, name, span };
    std::uint64_t number = 0;
    const char* label = "";
    Value value = Value::span;
    bool many = false;
};

class ProtoMessage;

// Reads messages out of one buffer, and counts the fields that it has seen.
class ProtoReader {
public:
    explicit ProtoReader(const std::vector<unsigned char>& buffer) : buffer_(buffer) {}

    // Reads the fields of the message in a span that `kinds` lists; others are skipped. Throws Invalid.
    ProtoMessage message(const Span& span, const std::vector<Kind>& kinds);

    // Moves on to the next field of a message, which begins at `at`; false after the last. Throws Invalid.
    bool next(std::size_t& at, std::size_t end, ProtoField& field) {
        if (at >= end) return false;
        spend(1);
        field.span.tag = at;
        const std::uint64_t key = varint(at, end);
        field.number = key >> 3;
        if (field.number == 0 || field.number >= 1U << 29)
            throw Invalid("a field number is " + std::to_string(field.number) + " at byte " +
                          std::to_string(field.span.tag));
        field.type = static_cast<WireType>(key & 7);
        field.span.start = at;
        std::uint64_t length = 0;
        switch (field.type) {
            case WireType::varint: varint(at, end); break;
            case WireType::fixed64: length = 8; break;
            case WireType::bytes:
                length = varint(at, end);
                field.span.start = at;
                break;
            case WireType::fixed32: length = 4; break;
            default:
                throw Invalid("the wire type " + std::to_string(key & 7) + " at byte " +
                              std::to_string(field.span.tag) + " is unknown");
        }
        if (length > end - at)
            throw Invalid("it ends in the midst of the field at byte " + std::to_string(field.span.tag));
        at += static_cast<std::size_t>(length);
        field.span.end = at;
        return true;
    }

    // A text of at most `most` bytes. Throws Invalid.
    std::string text(const Span& span, std::size_t most) const {
        if (span.size() > most)
            throw Invalid("the text at byte " + std::to_string(span.tag) + " is longer than " + std::to_string(most) +
                          " bytes");
        return std::string(buffer_.data() + span.start, buffer_.data() + span.end);
    }

    // The integers that are packed into one field, each a varint. Throws Invalid.
    std::vector<std::int64_t> integers(const Span& span) {
        spend(span.size());
        std::vector<std::int64_t> values;
        for (std::size_t at = span.start; at < span.end;)
            values.push_back(static_cast<std::int64_t>(varint(at, span.end)));
        return values;
    }

    // The floats that are packed into one field. Throws Invalid.
    std::vector<float> reals(const Span& span) {
        spend(span.size() / 4);
        if (span.size() % 4)
            throw Invalid("the numbers at byte " + std::to_string(span.tag) + " end in the midst of one");
        std::vector<float> values(span.size() / 4);
        if (!values.empty()) std::memcpy(values.data(), buffer_.data() + span.start, span.size());
        return values;
    }

    // A number of seven bits per byte, lowest first. Throws Invalid.
    std::uint64_t varint(std::size_t& at, std::size_t end) const {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 70; shift += 7) {
            if (at >= end) throw Invalid("it ends in the midst of a number at byte " + std::to_string(at));
            const unsigned char byte = buffer_[at++];
            value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
            if (byte < 0x80) return value;
        }
        throw Invalid("a number is longer than ten bytes at byte " + std::to_string(at));
    }

    const std::vector<unsigned char>& buffer() const { return buffer_; }

private:
    void spend(std::size_t fields) {
        if (fields > left_) throw Invalid("it has more than " + std::to_string(max_fields) + " fields");
        left_ -= fields;
    }

    const std::vector<unsigned char>& buffer_;
    std::size_t left_ = max_fields;
};

// The fields of one message, by label.
class ProtoMessage {
public:
    ProtoMessage(ProtoReader& reader, const std::vector<Kind>& kinds) : reader_(reader), kinds_(kinds) {}

    void add(const ProtoField& field) {
        for (const Kind& kind : kinds_) {
            if (kind.number != field.number) continue;
            const bool number = kind.value == Kind::Value::integer || kind.value == Kind::Value::real;
            const WireType own = kind.value == Kind::Value::integer ? WireType::varint
                                 : kind.value == Kind::Value::real  ? WireType::fixed32
                                                                    : WireType::bytes;
            const std::string where = " at byte " + std::to_string(field.span.tag);
            if (field.type != own && !(kind.many && number && field.type == WireType::bytes))
                throw Invalid("the field " + std::string(kind.label) + where + " has the wire type " +
                              std::to_string(static_cast<std::uint64_t>(field.type)));
            std::vector<ProtoField>& found = found_[kind.label];
            if (!kind.many && !found.empty())
                throw Invalid("the field " + std::string(kind.label) + " occurs twice, again" + where);
            if (kind.value == Kind::Value::name && field.span.size() > max_name)
                throw Invalid("the name" + where + " is longer than " + std::to_string(max_name) + " bytes");
            found.push_back(field);
        }
    }

    bool has(const std::string& label) const { return found_.count(label) > 0; }

    // Fields that are messages or long values.
    std::vector<Span> spans(const std::string& label) const {
        std::vector<Span> spans;
        for (const ProtoField& field : fields(label)) spans.push_back(field.span);
        return spans;
    }

    // The only one, which `has` has told to be there.
    Span span(const std::string& label) const { return fields(label).at(0).span; }

    std::vector<std::string> names(const std::string& label) const {
        std::vector<std::string> names;
        for (const ProtoField& field : fields(label)) names.push_back(reader_.text(field.span, max_name));
        return names;
    }

    std::string name(const std::string& label) const { return has(label) ? names(label).at(0) : std::string(); }

    std::vector<std::int64_t> integers(const std::string& label) const {
        std::vector<std::int64_t> values;
        for (const ProtoField& field : fields(label)) {
            if (field.type == WireType::bytes) {
                const std::vector<std::int64_t> more = reader_.integers(field.span);
                values.insert(values.end(), more.begin(), more.end());
            } else {
                std::size_t at = field.span.start;
                values.push_back(static_cast<std::int64_t>(reader_.varint(at, field.span.end)));
            }
        }
        return values;
    }

    std::int64_t integer(const std::string& label) const { return has(label) ? integers(label).at(0) : 0; }

    std::vector<float> reals(const std::string& label) const {
        std::vector<float> values;
        for (const ProtoField& field : fields(label)) {
            const std::vector<float> more = reader_.reals(field.span);
            values.insert(values.end(), more.begin(), more.end());
        }
        return values;
    }

private:
    const std::vector<ProtoField>& fields(const std::string& label) const {
        static const std::vector<ProtoField> none;
        const auto entry = found_.find(label);
        return entry == found_.end() ? none : entry->second;
    }

    ProtoReader& reader_;
    const std::vector<Kind>& kinds_;
    std::map<std::string, std::vector<ProtoField>> found_;
};

inline ProtoMessage ProtoReader::message(const Span& span, const std::vector<Kind>& kinds) {
    ProtoMessage found(*this, kinds);
    ProtoField field;
    for (std::size_t at = span.start; next(at, span.end, field);) found.add(field);
    return found;
}

// The first byte of a field with bytes, for numbers below 16.
constexpr unsigned char tag_of(std::uint64_t number) {
    return static_cast<unsigned char>(number << 3 | static_cast<std::uint64_t>(WireType::bytes));
}

}  // namespace detail

}  // namespace yolov5_dnn
