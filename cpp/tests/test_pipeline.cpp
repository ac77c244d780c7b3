// SPDX-License-Identifier: Apache-2.0
// How the program divides its work among threads.

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <limits>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../detect/pipeline.hpp"
#include "../detect/workers.hpp"
#include "tiny_model.hpp"

using namespace detect;

namespace {

using Milliseconds = std::chrono::milliseconds;
using Worker = std::function<int(int)>;

// Gives 0, 1, …, and throws where it is told to.
std::function<std::optional<int>()> count_to(int end, std::atomic<int>& at, int error = -1) {
    return [=, &at]() -> std::optional<int> {
        if (at == error) throw std::runtime_error("no more");
        if (at == end) return {};
        return at++;
    };
}

std::vector<int> first(int count) {
    std::vector<int> numbers(static_cast<std::size_t>(count));
    std::iota(numbers.begin(), numbers.end(), 0);
    return numbers;
}

}  // namespace

TEST_CASE("in_order keeps everything in order") {
    for (const std::size_t workers : {std::size_t{1}, std::size_t{2}, std::size_t{5}}) {
        for (const int count : {0, 1, 7, 200}) {
            std::vector<Worker> slower;  // each by another amount
            for (std::size_t i = 0; i < workers; ++i)
                slower.emplace_back([i](int number) {
                    std::this_thread::sleep_for(
                        std::chrono::microseconds(number * 37 % 5 * static_cast<int>(i + 1) * 50));
                    return number;
                });
            std::atomic<int> at = 0;
            std::vector<int> given;
            in_order<int, int>(slower, count_to(count, at), [&](int number) {
                given.push_back(number);
                return true;
            });
            CHECK(given == first(count));
        }
    }
}

TEST_CASE("workers work at the same time, each in a thread of its own") {
    std::atomic<int> here = 0;
    const Worker together = [&](int number) {
        ++here;
        for (int i = 0; here < 3 && i < 5000; ++i) std::this_thread::sleep_for(Milliseconds(1));
        return number;
    };
    std::atomic<int> at = 0;
    in_order<int, int>({together, together, together}, count_to(3, at), [](int) { return true; });
    CHECK(here == 3);
}

TEST_CASE("in_order takes no more than it must, and stops when told") {
    const Worker same = [](int number) { return number; };
    for (const std::size_t workers : {std::size_t{1}, std::size_t{2}, std::size_t{4}}) {
        std::atomic<int> at = 0;
        int given = 0, most = 0;
        in_order<int, int>(std::vector<Worker>(workers, same), count_to(1000, at), [&](int) {
            std::this_thread::sleep_for(Milliseconds(5));
            most = std::max(most, at - ++given);
            return given < 20;
        });
        CHECK(given == 20);
        CHECK(most <= static_cast<int>(workers) + 1);
    }
}

TEST_CASE("an error of a worker or of what gives the items comes out in its place") {
    const Worker breaks = [](int number) {
        if (number == 5) throw std::runtime_error("broken");
        return number;
    };
    for (const std::size_t workers : {std::size_t{1}, std::size_t{3}}) {
        for (const int missing : {-1, 3}) {
            std::atomic<int> at = 0;
            std::vector<int> given;
            const auto work = [&] {
                in_order<int, int>(std::vector<Worker>(workers, breaks), count_to(100, at, missing), [&](int number) {
                    given.push_back(number);
                    return true;
                });
            };
            CHECK_THROWS_WITH(work(), missing < 0 ? "broken" : "no more");
            CHECK(given == first(missing < 0 ? 5 : 3));
        }
    }
}

TEST_CASE("of a live stream only the newest frame waits, and no message is lost") {
    std::vector<std::string> items = {"a1", "a2", "message", "a3", "a4", "a5"};
    std::promise<void> all;
    std::size_t at = 0;
    Newest<std::string> newest(
        [&]() -> std::optional<std::string> {
            if (at < items.size()) return items[at++];
            all.set_value();
            return {};
        },
        [](const std::string& item) { return item[0] == 'a'; });
    all.get_future().wait();
    std::vector<std::string> given;
    while (const auto item = newest.next()) given.push_back(*item);
    CHECK(given == std::vector<std::string>{"a2", "message", "a5"});
}

TEST_CASE("an error in a live stream comes out, and whoever leaves early waits for nobody") {
    const auto any = [](int) { return true; };
    std::atomic<int> at = 0;
    Newest<int> broken(count_to(9, at, 0), any);
    CHECK_THROWS_WITH(broken.next(), "no more");
    Newest<int> endless([] { return std::optional<int>(1); }, any);
    CHECK(endless.next() == 1);
}

TEST_CASE("many images get a detector for each thread") {
    const int before = cv::getNumThreads();
    const tiny::File file;
    const std::filesystem::path& path = file.path;
    constexpr std::size_t endless = std::numeric_limits<std::size_t>::max();
    const auto size_of = [&](int threads, std::size_t images, const std::string& device = "cpu") {
        cv::setNumThreads(threads);
        return worker_count(images, path, device);
    };
    CHECK(size_of(3, endless) == 3);
    CHECK(size_of(3, 18) == 3);
    CHECK(size_of(3, 17) == 1);
    CHECK(size_of(2, 12) == 2);
    CHECK(size_of(2, 1) == 1);
    CHECK(size_of(1, endless) == 1);
    CHECK(size_of(2, endless, "opencl") == 1);

    yolov5_dnn::Detector detector(path);
    cv::setNumThreads(2);
    {
        const Detectors team(detector, 2, path, {});
        CHECK(team.members().size() == 2);
        CHECK(team.members()[0] == &detector);
        CHECK(cv::getNumThreads() == 1);
    }
    CHECK(cv::getNumThreads() == 2);
    const Detectors alone(detector, 1, path, {});
    CHECK(cv::getNumThreads() == 2);

    std::filesystem::resize_file(path, max_bytes / 2 + 1);  // as large a file as may not be loaded twice
    CHECK(size_of(2, endless) == 1);
    cv::setNumThreads(before);
}
