// SPDX-License-Identifier: Apache-2.0
// The window of yolov5-detect --show.

#pragma once

#include <yolov5_dnn.hpp>

#include <algorithm>
#include <cstdlib>

#include <opencv2/highgui.hpp>

#include "interrupt.hpp"

namespace detect {

// Throws InputError if this session has no windows: without a display, OpenCV's Qt ends the whole process.
inline void check_display() {
#ifdef __linux__
    if (!std::getenv("DISPLAY") && !std::getenv("WAYLAND_DISPLAY"))
        throw yolov5_dnn::InputError("--show needs a display, and this session has none");
    setenv("QT_LOGGING_RULES", "*.warning=false", 0);  // nothing here is written by Qt
#endif
}

// Shows a picture, a still one until a key is pressed; false if that is Esc or q: no more, please.
inline bool show(const cv::Mat& picture, bool still) {
    const char* const title = "yolov5-dnn";
    static cv::Size size;
    if (picture.size() != size) {  // not for every frame: the user may have chosen another size
        size = picture.size();
        cv::namedWindow(title, cv::WINDOW_NORMAL | cv::WINDOW_KEEPRATIO | cv::WINDOW_GUI_NORMAL);
        const double scale =
            std::min({1.0, 1280.0 / size.width, 720.0 / size.height});  // nothing tells the screen's size
        cv::resizeWindow(title, std::max(1, cvRound(size.width * scale)), std::max(1, cvRound(size.height * scale)));
    }
    cv::imshow(title, picture);
    const auto is_open = [title] { return cv::getWindowProperty(title, cv::WND_PROP_VISIBLE) >= 1; };
    int key = cv::waitKey(1);
    while (still && key < 0 && is_open() && !interrupted) key = cv::waitKey(100);
    return (key & 0xFF) != 27 && (key & 0xFF) != 'q' && is_open();
}

}  // namespace detect
