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

#ifndef _WIN32
#include <fcntl.h>
#include <unistd.h>
#endif

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
    const auto to_output = [](const fs::path& path) { return !path.empty() && is_standard_output(path); };
    if (to_output(arguments.json) && to_output(arguments.csv))
        throw InputError("only one of --json and --csv can go to standard output");
    Report report(sources.size(), to_output(arguments.json) || to_output(arguments.csv) ? std::cerr : std::cout);
    for (const std::string& problem : problems) report.problem(problem);

    if (arguments.show) check_display();
    if (arguments.threads) cv::setNumThreads(arguments.threads);
    yolov5_dnn::Detector detector(arguments.weights, arguments.detector);
    const std::vector<std::string>& names = detector.info().names;

    say_size(arguments.detector.imgsz, detector);

    const Folder folder(arguments);
    std::unique_ptr<JsonFile> json;
    const bool live =
        std::any_of(sources.begin(), sources.end(), [](const Source& source) { return source.kind == Kind::live; });
    if (!arguments.json.empty()) {
        const bool lines =
            lower(arguments.json.extension().string()) == ".jsonl" || (live && is_stream(arguments.json));
        json = std::make_unique<JsonFile>(said_if_replaced(arguments.json), lines);
    }
    std::vector<std::unique_ptr<CsvFile>> tables;
    if (!arguments.csv.empty()) tables.push_back(std::make_unique<CsvFile>(said_if_replaced(arguments.csv), live));
    if (arguments.save_csv)
        tables.push_back(std::make_unique<CsvFile>(own_file(folder.path() / "predictions.csv"), live));
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

#ifdef __linux__
// Starts this program anew with OpenCV's own limit for pictures, which OpenCV reads while it is loaded: where a header is
// read otherwise by `image_size` than by a decoder, the decoder still knows the budget.
void begin_with_budget(int count, char** words) {
    const char* const variable = "OPENCV_IO_MAX_IMAGE_PIXELS";
    if (std::getenv(variable)) return;
    std::string pixels = std::to_string(Arguments().max_pixels);
    for (int i = 1; i < count; ++i) {
        const std::string word = words[i], option = "--max-pixels";
        if (word == option && i + 1 < count) pixels = words[i + 1];
        if (word.rfind(option + "=", 0) == 0) pixels = word.substr(option.size() + 1);
    }
    if (pixels.empty() || pixels.size() > 10 || pixels.find_first_not_of("0123456789") != std::string::npos) return;
    setenv(variable, pixels.c_str(), 1);
    execv("/proc/self/exe", words);  // where it cannot, the headers alone have to do
}
#endif

}  // namespace

int main(int count, char** words) {
#ifdef __linux__
    begin_with_budget(count, words);
#endif
#ifndef _WIN32
    // Where standard output or error is closed, no file may get its number: what others print would go into it.
    for (int number = open("/dev/null", O_RDWR); number >= 0 && number <= 2;) number = open("/dev/null", O_RDWR);
#endif
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
