// SPDX-License-Identifier: Apache-2.0
// Many images on one processor: a network for each core, instead of one network on all cores.
//
// Cores that share a network wait for each other after every layer, and longest when other work takes one of them away for a
// moment. With a network each they don't. What it costs is memory, and time until the first result: so it is for many images,
// and for models that are not large.

#pragma once

#include <yolov5_dnn.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <list>
#include <vector>

#include <opencv2/core.hpp>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace detect {

constexpr std::size_t images_each = 6;             // with fewer, loading further networks takes what they save
constexpr std::uintmax_t max_bytes = 256'000'000;  // of a model file for each; a network takes about twice its file

// How many detectors so many images are divided among, each to be used by one thread with one of OpenCV's: as many as OpenCV
// may use threads. For few images, a large model or another device than the CPU it is 1, with all threads.
inline std::size_t worker_count(std::size_t images, const std::filesystem::path& weights, const std::string& device) {
    const auto threads = static_cast<std::size_t>(cv::getNumThreads());
    if (threads < 2 || images / images_each < threads || device != "cpu") return 1;
    return threads * std::filesystem::file_size(weights) > max_bytes ? 1 : threads;
}

// The detectors of a team: the first one, and others like it. While it lives, OpenCV uses one thread for each.
class Detectors {
public:
    Detectors(yolov5_dnn::Detector& first, std::size_t size, const std::filesystem::path& weights,
              const yolov5_dnn::Options& options)
        : threads_(cv::getNumThreads()), members_{&first} {
#ifdef __GLIBC__
        if (size > 1) mallopt(M_ARENA_MAX, 1);  // else it keeps freed memory for each thread: 20 MB more for yolov5n
#endif
        while (members_.size() < size) members_.push_back(&others_.emplace_back(weights, options));
        if (size > 1) cv::setNumThreads(1);
    }

    Detectors(const Detectors&) = delete;
    Detectors& operator=(const Detectors&) = delete;

    ~Detectors() {
        if (members_.size() > 1) cv::setNumThreads(threads_);
    }

    const std::vector<yolov5_dnn::Detector*>& members() const { return members_; }

private:
    int threads_;
    std::list<yolov5_dnn::Detector> others_;  // a Detector cannot be moved
    std::vector<yolov5_dnn::Detector*> members_;
};

}  // namespace detect
