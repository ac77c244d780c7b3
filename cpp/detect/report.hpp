// SPDX-License-Identifier: Apache-2.0
// What yolov5-detect tells on the terminal.

#pragma once

#include <yolov5_dnn.hpp>

#include <chrono>
#include <iomanip>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "interrupt.hpp"
#include "predict.hpp"

namespace detect {

using yolov5_dnn::escape;

// How many of each class: "4 person, 1 bus".
inline std::string describe(const std::map<int, int>& counts, const std::vector<std::string>& names) {
    std::string text;
    for (const auto& [class_id, count] : counts)
        text += (text.empty() ? "" : ", ") + std::to_string(count) + " " +
                escape(names[static_cast<std::size_t>(class_id)], 60);
    return text.empty() ? "nothing" : text;
}

inline std::string plural(int count, const std::string& noun) {
    return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

// How long each stage took, in milliseconds, on average of so many images.
inline std::string stages(const yolov5_dnn::Timings& timings, int images) {
    std::ostringstream text;
    text << std::fixed << std::setprecision(1) << "letterbox " << timings.letterbox / images << "  forward "
         << timings.forward / images << "  decode " << timings.decode / images << "  nms " << timings.nms / images
         << " ms";
    return text.str();
}

// A line for each picture or video, and a summary, to `out`; problems to stderr.
class Report {
public:
    explicit Report(std::size_t sources, std::ostream& out = std::cout) : sources_(sources), out_(out) {}

    // Takes the result of one picture or frame.
    void add(const Result& result) {
        size_ = result.frame.image.size();
        ++looked_at_;
        sum_.letterbox += result.timings.letterbox;
        sum_.forward += result.timings.forward;
        sum_.decode += result.timings.decode;
        sum_.nms += result.timings.nms;
        found_ += static_cast<int>(result.detections.size());
        for (const yolov5_dnn::Detection& found : result.detections) ++counts_[found.class_id];
    }

    // Tells about a source that is over.
    void end(const Source& source, const std::vector<std::string>& names) {
        ++number_;
        if (looked_at_ == 0) return;
        if (sources_ > 1) out_ << '[' << number_ << '/' << sources_ << "] ";
        out_ << escape(source.name, 1000) << "  " << size_.width << 'x' << size_.height << "  ";
        if (source.kind != Kind::image) out_ << plural(looked_at_, "frame") << "  ";
        out_ << describe(counts_, names) << "   " << stages(sum_, looked_at_) << std::endl;
        (source.kind == Kind::image ? images_ : frames_) += looked_at_;
        looked_at_ = 0;
        sum_ = {};
        counts_.clear();
    }

    void problem(const std::string& text, bool of_source = false) {
        std::cerr << "error: ";
        if (of_source && sources_ > 1) std::cerr << '[' << number_ + 1 << '/' << sources_ << "] ";
        std::cerr << escape(text, 4000) << '\n';
        ++failed_;
    }

    // Of the whole run: where files are, if there are some, and what nobody looked at.
    void summary(const std::string& saved_in, const LeftOut& left_out) const {
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start_;
        if (interrupted) out_ << "interrupted after ";
        if (images_ || !frames_) out_ << plural(images_, "image") << (frames_ ? ", " : "");
        if (frames_) out_ << plural(frames_, "frame");
        if (failed_) out_ << ", " << failed_ << " failed";
        out_ << std::fixed << std::setprecision(1) << " in " << seconds.count() << " s ("
             << (images_ + frames_) / std::max(seconds.count(), 1e-6) << " per second)";
        const char* mark = "; left out: ";
        for (const auto& [count, noun] :
             {std::pair(left_out.files, "other file"), {left_out.subfolders, "subfolder"}}) {
            if (!count) continue;
            out_ << mark << plural(count, noun);
            mark = ", ";
        }
        if (!saved_in.empty()) out_ << "; saved in " << escape(saved_in, 1000);
        out_ << std::endl;
    }

    int failed() const { return failed_; }
    int looked() const { return images_ + frames_; }
    int found() const { return found_; }

private:
    std::size_t sources_, number_ = 0;
    std::ostream& out_;
    int images_ = 0, frames_ = 0, failed_ = 0, found_ = 0;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();

    // of the source at hand
    int looked_at_ = 0;
    cv::Size size_;
    std::map<int, int> counts_;
    yolov5_dnn::Timings sum_;
};

}  // namespace detect
