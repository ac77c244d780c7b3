// SPDX-License-Identifier: Apache-2.0
// From sources through detectors to whoever writes down what is found.

#pragma once

#include <yolov5_dnn.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "frames.hpp"
#include "interrupt.hpp"
#include "options.hpp"
#include "pipeline.hpp"
#include "workers.hpp"

namespace detect {

// What is in a frame.
struct Result {
    Frame frame;
    std::vector<yolov5_dnn::Detection> detections;
    yolov5_dnn::Timings timings;
};

using Outcome = std::variant<Result, Problem, End>;

// What is wanted after an outcome: anything, anything but of the same source, or nothing more.
enum class Next { any, of_others, none };

using Use = std::function<Next(const Outcome&)>;

// Finds what is in a frame; leaves other events as they are.
inline Outcome look_at(yolov5_dnn::Detector& detector, Event event) {
    if (const auto* const problem = std::get_if<Problem>(&event)) return *problem;
    if (const auto* const end = std::get_if<End>(&event)) return *end;
    Result result{std::move(std::get<Frame>(event)), {}, {}};
    try {
        result.detections = detector.detect(result.frame.image, &result.timings);
    } catch (const InputError& error) {
        return Problem{result.frame.source, result.frame.source->name + ": " + error.what()};
    }
    return result;
}

inline const Source* source_of(const Outcome& outcome) {
    if (const auto* const result = std::get_if<Result>(&outcome)) return result->frame.source;
    if (const auto* const problem = std::get_if<Problem>(&outcome)) return problem->source;
    return std::get<End>(outcome).source;
}

// Hands outcomes on to `use`, and leaves out those of a source that is given up, but for its End.
class Sieve {
public:
    Sieve(Reader& reader, const Use& use) : reader_(reader), use_(use) {}

    // False if `use` wants nothing more.
    bool operator()(const Outcome& outcome) {
        const Source* const source = source_of(outcome);
        if (source == given_up_ && !std::holds_alternative<End>(outcome)) return true;
        const Next next = use_(outcome);
        if (next == Next::of_others) {
            given_up_ = source;
            reader_.give_up(*source);
        }
        if (next == Next::none && !std::holds_alternative<End>(outcome)) use_(End{source});
        return next != Next::none;
    }

private:
    Reader& reader_;
    const Use& use_;
    const Source* given_up_ = nullptr;
};

// Looks at all sources, and calls `use` in this thread, in their order: pictures and videos, divided among detectors if they
// are many, then one live source after the other, of which frames that have got old are dropped.
inline void look_at_all(const std::vector<Source>& sources, const Arguments& arguments, yolov5_dnn::Detector& first,
                        const Use& use) {
    std::vector<const Source*> files, live;
    for (const Source& source : sources) (source.kind == Kind::live ? live : files).push_back(&source);

    const bool has_video =
        std::any_of(files.begin(), files.end(), [](const Source* file) { return file->kind == Kind::video; });
    const std::size_t images = has_video ? std::numeric_limits<std::size_t>::max() : files.size();
    bool go_on = true;
    {
        const Detectors team(first, worker_count(images, arguments.weights, arguments.detector.device),
                             arguments.weights, arguments.detector);
        std::vector<std::function<Outcome(Event)>> workers;
        for (yolov5_dnn::Detector* const detector : team.members())
            workers.emplace_back([detector](Event event) { return look_at(*detector, std::move(event)); });
        Reader reader(files, arguments.max_pixels, arguments.vid_stride, first.info().channels);
        Sieve sieve(reader, use);
        in_order<Event, Outcome>(
            workers, [&] { return reader.next(); }, [&](const Outcome& outcome) { return go_on = sieve(outcome); });
    }
    for (const Source* const source : live) {
        if (!go_on || interrupted) return;
        Reader reader({source}, arguments.max_pixels, arguments.vid_stride, first.info().channels);
        Sieve sieve(reader, use);
        Newest<Event> newest([&] { return reader.next(); },
                             [](const Event& event) { return std::holds_alternative<Frame>(event); });
        while (std::optional<Event> event = newest.next()) {
            go_on = sieve(look_at(first, std::move(*event)));
            if (!go_on) break;
        }
    }
}

}  // namespace detect
