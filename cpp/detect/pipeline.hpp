// SPDX-License-Identifier: Apache-2.0
// Several things at the same time, each in a thread of its own, with their results in order.
//
// Memory is bounded: pictures are large, so nothing is read that nobody will take soon. An error of any thread comes out in
// the one that called, and all threads have ended when the call, or the object's life, is over.

#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace detect {

// What `in_order` does with more than one worker.
template <typename Item, typename Result>
class Workers {
public:
    Workers(const std::vector<std::function<Result(Item)>>& workers, const std::function<std::optional<Item>()>& next)
        : most_(workers.size() + 1), next_(next) {
        for (const auto& worker : workers) threads_.emplace_back([this, &worker] { work(worker); });
    }

    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;

    ~Workers() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            stop_ = true;
        }
        changed_.notify_all();
        for (std::thread& thread : threads_) thread.join();
    }

    // The next result in order, or nothing after the last one. Throws what a worker or `next` has thrown in its place.
    std::optional<Result> take() {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [this] { return begun_.empty() ? stop_ : begun_.front().done; });
        if (begun_.empty()) return {};
        Slot slot = std::move(begun_.front());
        begun_.pop_front();
        lock.unlock();
        changed_.notify_all();
        if (slot.error) std::rethrow_exception(slot.error);
        return std::move(slot.result);
    }

private:
    struct Slot {
        bool done = false;
        std::optional<Result> result;
        std::exception_ptr error;
    };

    // Takes one item after the other, and puts what the worker makes of it into the slot for it.
    void work(const std::function<Result(Item)>& worker) {
        while (auto taken = take_item()) {
            Slot slot;
            slot.done = true;
            try {
                slot.result = worker(std::move(taken->first));
            } catch (...) {
                slot.error = std::current_exception();
            }
            {
                const std::lock_guard<std::mutex> lock(mutex_);
                *taken->second = std::move(slot);
            }
            changed_.notify_all();
        }
    }

    // The next item and the slot for its result, one thread at a time, so that the slots are in the items' order.
    std::optional<std::pair<Item, Slot*>> take_item() {
        const std::lock_guard<std::mutex> turn(taking_);
        {
            std::unique_lock<std::mutex> lock(mutex_);
            changed_.wait(lock, [this] { return stop_ || begun_.size() < most_; });
            if (stop_) return {};
        }
        std::optional<Item> item;
        std::exception_ptr error;
        try {
            item = next_();
        } catch (...) {
            error = std::current_exception();
        }
        const std::lock_guard<std::mutex> lock(mutex_);
        if (item) return std::pair(std::move(*item), &begun_.emplace_back());
        stop_ = true;
        if (error) begun_.push_back({true, {}, error});
        changed_.notify_all();
        return {};
    }

    const std::size_t most_;  // items that have been taken and not given
    const std::function<std::optional<Item>()>& next_;
    std::mutex taking_;  // the turn to call `next_`, which may take long
    std::mutex mutex_;   // guards what follows
    std::condition_variable changed_;
    std::deque<Slot> begun_;  // stay where they are when others come and go
    bool stop_ = false;       // nobody takes any more
    std::vector<std::thread> threads_;
};

// Calls `use` with what the workers make of the items that `next` gives, in order, until `next` gives nothing or `use`
// returns false.
//
// Each worker is at work on another item in a thread of its own, where it also gets the item; a single one works in this
// thread. At most one item more than there are workers has been taken and not given to `use`. An error of a worker or of
// `next` is thrown here, after the results before it, and ends it.
template <typename Item, typename Result>
void in_order(const std::vector<std::function<Result(Item)>>& workers, const std::function<std::optional<Item>()>& next,
              const std::function<bool(Result)>& use) {
    if (workers.size() == 1) {
        while (std::optional<Item> item = next())
            if (!use(workers[0](std::move(*item)))) return;
        return;
    }
    Workers<Item, Result> team(workers, next);
    while (std::optional<Result> result = team.take())
        if (!use(std::move(*result))) return;
}

// Items of something that goes on by itself, read by a thread: only the newest one waits.
//
// A `replaceable` item is dropped when another one arrives before it is taken; other items are all kept, in order.
template <typename Item>
class Newest {
public:
    // `next` gives the items, and at the end nothing.
    Newest(std::function<std::optional<Item>()> next, std::function<bool(const Item&)> replaceable)
        : next_(std::move(next)), replaceable_(std::move(replaceable)), thread_([this] { read(); }) {}

    Newest(const Newest&) = delete;
    Newest& operator=(const Newest&) = delete;

    // Waits for the thread, which may be waiting for an item.
    ~Newest() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            leave_ = true;
        }
        thread_.join();
    }

    // The next item, or nothing after the last one. Throws what `next` has thrown.
    std::optional<Item> next() {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [this] { return over_ || !waiting_.empty(); });
        if (waiting_.empty()) {
            if (error_) std::rethrow_exception(error_);
            return {};
        }
        Item item = std::move(waiting_.front());
        waiting_.pop_front();
        return item;
    }

private:
    void read() {
        std::exception_ptr error;
        try {
            while (std::optional<Item> item = next_()) {
                const std::lock_guard<std::mutex> lock(mutex_);
                if (leave_) break;
                if (!waiting_.empty() && replaceable_(waiting_.back()) && replaceable_(*item)) waiting_.pop_back();
                waiting_.push_back(std::move(*item));
                changed_.notify_all();
            }
        } catch (...) {
            error = std::current_exception();
        }
        const std::lock_guard<std::mutex> lock(mutex_);
        error_ = error;
        over_ = true;
        changed_.notify_all();
    }

    const std::function<std::optional<Item>()> next_;
    const std::function<bool(const Item&)> replaceable_;
    std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::deque<Item> waiting_;
    bool leave_ = false, over_ = false;
    std::exception_ptr error_;
    std::thread thread_;  // the last one, because it uses all the others
};

}  // namespace detect
