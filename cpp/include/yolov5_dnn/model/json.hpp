// SPDX-License-Identifier: Apache-2.0
// JSON, which the values of a model file's metadata are written in.

#pragma once

#include <cmath>
#include <cstddef>
#include <locale>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "../errors.hpp"
#include "../unicode.hpp"

namespace yolov5_dnn {

namespace detail {

constexpr int max_json_depth = 16;

// A JSON value. Of an object, `keys` lies beside `items`.
struct Json {
    enum class Type { null, boolean, number, string, array, object };
    Type type = Type::null;
    bool boolean = false;
    double number = 0;
    std::string string;
    std::vector<std::string> keys;
    std::vector<Json> items;
};

// Reads one JSON text (RFC 8259) and accepts nothing else. Throws Invalid.
class JsonReader {
public:
    static Json read(std::string_view text) {
        JsonReader reader(text);
        Json value = reader.value(0);
        reader.space();
        if (reader.at_ != text.size()) reader.fail();
        return value;
    }

private:
    explicit JsonReader(std::string_view text) : text_(text) {}

    [[noreturn]] void fail() const { throw Invalid("not JSON from byte " + std::to_string(at_) + " on"); }

    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    bool take(char wanted) {
        if (peek() != wanted || at_ == text_.size()) return false;
        ++at_;
        return true;
    }

    void space() {
        while (take(' ') || take('\t') || take('\n') || take('\r')) {
        }
    }

    bool take_word(std::string_view word) {
        if (text_.substr(at_, word.size()) != word) return false;
        at_ += word.size();
        return true;
    }

    Json value(int depth) {
        if (depth > max_json_depth) fail();
        Json json;
        space();
        if (take('{')) {
            json.type = Json::Type::object;
            for (bool more = !take_end('}'); more; more = take_comma('}')) {
                space();
                json.keys.push_back(string());
                space();
                if (!take(':')) fail();
                json.items.push_back(value(depth + 1));
            }
        } else if (take('[')) {
            json.type = Json::Type::array;
            for (bool more = !take_end(']'); more; more = take_comma(']')) json.items.push_back(value(depth + 1));
        } else if (peek() == '"') {
            json.type = Json::Type::string;
            json.string = string();
        } else if (take_word("true")) {
            json.type = Json::Type::boolean;
            json.boolean = true;
        } else if (take_word("false")) {
            json.type = Json::Type::boolean;
        } else if (!take_word("null")) {
            json.type = Json::Type::number;
            json.number = number();
        }
        return json;
    }

    bool take_end(char end) {
        space();
        return take(end);
    }

    // After an item: true if another one follows, false if the list ends here.
    bool take_comma(char end) {
        space();
        if (take(end)) return false;
        if (!take(',')) fail();
        return true;
    }

    bool take_digits() {
        const std::size_t first = at_;
        while (peek() >= '0' && peek() <= '9') ++at_;
        return at_ > first;
    }

    double number() {
        const std::size_t first = at_;
        take('-');
        if (!take('0') && !take_digits()) fail();
        if (take('.') && !take_digits()) fail();
        if (take('e') || take('E')) {
            if (!take('+')) take('-');
            if (!take_digits()) fail();
        }
        std::istringstream stream{std::string(text_.substr(first, at_ - first))};
        stream.imbue(std::locale::classic());  // a decimal point is a point wherever the program runs
        double number = 0;
        stream >> number;
        if (!std::isfinite(number) || stream.fail()) fail();
        return number;
    }

    std::string string() {
        if (!take('"')) fail();
        std::string text;
        while (!take('"')) {
            if (take('\\')) {
                escape(text);
            } else {
                character(text);
            }
        }
        return text;
    }

    void character(std::string& text) {
        const std::size_t length = character_length(text_, at_);
        if (length == 0 || static_cast<unsigned char>(text_[at_]) < 0x20) fail();
        text.append(text_.substr(at_, length));
        at_ += length;
    }

    void escape(std::string& text) {
        constexpr std::string_view letters = "\"\\/bfnrt";
        constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
        const std::size_t letter = at_ < text_.size() ? letters.find(text_[at_]) : std::string_view::npos;
        if (letter != std::string_view::npos) {
            ++at_;
            text += meanings[letter];
            return;
        }
        if (!take('u')) fail();
        unsigned code = hex4();
        if (code >= 0xD800 && code < 0xDC00) {  // the first half of a surrogate pair
            if (!take('\\') || !take('u')) fail();
            const unsigned low = hex4();
            if (low < 0xDC00 || low >= 0xE000) fail();
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        } else if (code >= 0xDC00 && code < 0xE000) {
            fail();
        }
        append_utf8(text, code);
    }

    unsigned hex4() {
        unsigned code = 0;
        for (int i = 0; i < 4; ++i) {
            const char c = peek();
            unsigned digit = 0;
            if (c >= '0' && c <= '9') {
                digit = static_cast<unsigned>(c - '0');
            } else if (c >= 'a' && c <= 'f') {
                digit = static_cast<unsigned>(c - 'a') + 10;
            } else if (c >= 'A' && c <= 'F') {
                digit = static_cast<unsigned>(c - 'A') + 10;
            } else {
                fail();
            }
            code = code * 16 + digit;
            ++at_;
        }
        return code;
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace detail

}  // namespace yolov5_dnn
