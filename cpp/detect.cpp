// SPDX-License-Identifier: Apache-2.0
//
// yolov5-detect: finds objects in pictures, videos, cameras and streams with yolov5_dnn.hpp. It does what
// `python -m runtime.detect` does, option by option, without that one's rarer ones, and may serve as an example.
// Reading, writing and telling are in detect/.

#include <yolov5_dnn.hpp>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>

#include <opencv2/core/utils/logger.hpp>

#include "detect/options.hpp"
#include "detect/outputs.hpp"
#include "detect/report.hpp"
#include "detect/sources.hpp"

namespace {

using namespace detect;

// Does what the command line says; returns 0, or 1 if some inputs failed, or 130 if it was interrupted.
int run(const Arguments& arguments) {
    std::vector<std::string> problems;
    const std::vector<Source> sources = find_sources(arguments.sources, problems);
    if (sources.empty()) throw InputError(joined(problems));
    Report report(sources.size());
    for (const std::string& problem : problems) report.problem(problem);

    if (arguments.show) check_display();
    if (arguments.threads) cv::setNumThreads(arguments.threads);
    yolov5_dnn::Detector detector(arguments.weights, arguments.detector);
    const std::vector<std::string>& names = detector.info().names;

    std::unique_ptr<JsonFile> json;
    if (!arguments.json.empty()) json = std::make_unique<JsonFile>(arguments.json);
    Pictures pictures(arguments.output, sources);
    bool go_on = true;
    for (const Source& source : sources) {
        if (interrupted || !go_on) break;
        try {
            read(source, arguments.max_pixels, [&](const Frame& frame) {
                yolov5_dnn::Timings timings;
                const std::vector<Detection> detections = detector.detect(frame.image, &timings);
                report.add(frame.image, detections, timings);
                if (json) json->add(source, frame, detections, names);
                if (!arguments.save && !arguments.show) return true;

                const cv::Mat picture = yolov5_dnn::draw(frame.image, detections, names);
                if (arguments.save) pictures.add(source, frame, picture);
                if (arguments.show) go_on = show(picture, frame.index < 0);
                return go_on;
            });
        } catch (const InputError& error) {
            report.problem(error.what());
        }
        pictures.end();
        report.end(source, names);
    }
    if (json) json->close();
    report.summary(arguments.save ? yolov5_dnn::detail::utf8(arguments.output) : "");
    return interrupted ? 130 : report.failed() ? 1 : 0;
}

}  // namespace

int main(int count, char** words) {
    const std::vector<std::string> arguments(words + 1, words + count);
    if (std::find(arguments.begin(), arguments.end(), "--help") != arguments.end()) {
        std::cout << usage;
        return 0;
    }
    std::signal(SIGINT, [](int) { interrupted = 1; });
    std::signal(SIGTERM, [](int) { interrupted = 1; });
    // OpenCV logs each file that it cannot read; this program says it in one line of its own.
    if (!std::getenv("OPENCV_LOG_LEVEL")) cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    try {
        return run(parse(arguments));
    } catch (const std::exception& error) {
        std::cerr << "error: " << yolov5_dnn::visible(error.what(), 4000) << '\n';
        return 2;
    }
}
