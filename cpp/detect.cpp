// SPDX-License-Identifier: Apache-2.0
//
// yolov5-detect: finds objects in pictures, videos, cameras and streams with yolov5_dnn.hpp. It does what
// `python -m runtime.detect` does, option by option, without that one's rarer ones, and may serve as an example.
// Reading, looking, writing and telling are in detect/.

#include <yolov5_dnn.hpp>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <opencv2/core/utils/logger.hpp>

#include "detect/interrupt.hpp"
#include "detect/predict.hpp"
#include "detect/options.hpp"
#include "detect/outputs.hpp"
#include "detect/report.hpp"
#include "detect/sources.hpp"
#include "detect/tables.hpp"
#include "detect/window.hpp"

namespace {

using namespace detect;

// Does what the command line says; returns 0, or 1 if some inputs failed, or 130 if it was interrupted.
int run(const Arguments& arguments) {
    std::vector<std::string> problems;
    LeftOut left_out;
    const std::vector<Source> sources = find_sources(arguments.sources, arguments.recursive, problems, left_out);
    if (sources.empty()) throw InputError(joined(problems, "; "));
    Report report(sources.size());
    for (const std::string& problem : problems) report.problem(problem);

    if (arguments.show) check_display();
    if (arguments.threads) cv::setNumThreads(arguments.threads);
    yolov5_dnn::Detector detector(arguments.weights, arguments.detector);
    const std::vector<std::string>& names = detector.info().names;

    say_size(arguments.detector.imgsz, detector);

    const Folder folder(arguments);
    std::unique_ptr<JsonFile> json;
    if (!arguments.json.empty()) json = std::make_unique<JsonFile>(said_if_replaced(arguments.json));
    std::vector<std::unique_ptr<CsvFile>> tables;
    if (!arguments.csv.empty()) tables.push_back(std::make_unique<CsvFile>(said_if_replaced(arguments.csv)));
    if (arguments.save_csv) tables.push_back(std::make_unique<CsvFile>(folder.path() / "predictions.csv"));
    Pictures pictures(folder.path(), sources);
    bool saved = arguments.save_csv;

    const auto add = [&](const Result& result) {
        const auto& [frame, detections, timings] = result;
        report.add(result);
        if (json) json->add(frame, detections, names);
        for (const auto& table : tables) table->add(frame, detections, detector.info());
        const std::string stem = stem_of(frame);
        if (arguments.save_txt || arguments.save_conf) {
            const std::string lines = label_lines(detections, frame.image.size(), arguments.save_conf);
            write_file(folder.path() / "labels" / fs::u8path(stem + ".txt"), lines.data(), lines.size());
            saved = true;
        }
        if (arguments.save_crop && write_crops(folder.path(), stem, frame.image, detections, names)) saved = true;
        if (!arguments.save && !arguments.show) return Next::any;

        const cv::Mat picture = yolov5_dnn::draw(frame.image, detections, names, arguments.style);
        if (arguments.save) pictures.add(frame, picture);
        saved = saved || arguments.save;
        return !arguments.show || show(picture, frame.index < 0) ? Next::any : Next::none;
    };
    look_at_all(sources, arguments, detector, [&](const Outcome& outcome) {
        try {
            if (const auto* const result = std::get_if<Result>(&outcome)) return add(*result);
            if (const auto* const problem = std::get_if<Problem>(&outcome)) throw InputError(problem->text);
        } catch (const InputError& error) {
            report.problem(error.what(), true);
            return Next::of_others;
        }
        pictures.end();
        report.end(*std::get<End>(outcome).source, names);
        return Next::any;
    });
    if (json) json->close();
    for (const auto& table : tables) table->close();
    report.summary(saved ? yolov5_dnn::detail::utf8(folder.path()) : "", left_out);
    if (arguments.default_model && report.looked() && !report.found())
        std::cerr << "warning: nothing was found: without --weights it is " << arguments.weights.filename().string()
                  << " that looks, which knows " << joined(names, ", ")
                  << " only; for your own model, `python -m convert best.pt` makes a file for --weights\n";
    return interrupted ? 130 : report.failed() ? 1 : 0;
}

}  // namespace

int main(int count, char** words) {
    const std::vector<std::string> arguments(words + 1, words + count);
    const auto has = [&](const char* word) {
        return std::find(arguments.begin(), arguments.end(), word) != arguments.end();
    };
    if (has("--help") || has("-h")) {
        std::cout << usage;
        return 0;
    }
    if (has("--version")) {
        std::cout << "yolov5-dnn " YOLOV5_DNN_VERSION "\n";
        return 0;
    }
    note_interrupts();
    // OpenCV logs each file that it cannot read; this program says it in one line of its own.
    if (!std::getenv("OPENCV_LOG_LEVEL")) cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
#ifndef _WIN32
    setenv("OPENCV_FFMPEG_LOGLEVEL", "-8", 0);  // nor FFmpeg
#endif
    try {
        return run(parse(arguments));
    } catch (const std::exception& error) {
        std::cerr << "error: " << yolov5_dnn::escape(error.what(), 4000) << '\n';
        return 2;
    }
}
