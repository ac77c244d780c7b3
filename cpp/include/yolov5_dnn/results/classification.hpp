// SPDX-License-Identifier: Apache-2.0
// What a classifier says of one image.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <vector>

namespace yolov5_dnn {

// One class of an image, and how probable it is, 0 to 1.
struct Guess {
    int class_id = 0;
    float probability = 0;
};

// The probabilities of one image's classes, by class id; they add up to 1.
struct Classification {
    std::vector<float> probabilities;

    // The k most probable classes, best first; of equals, the lower number first.
    std::vector<Guess> top(std::size_t k = 5) const {
        std::vector<int> order(probabilities.size());
        std::iota(order.begin(), order.end(), 0);
        const auto of = [this](int i) { return probabilities[static_cast<std::size_t>(i)]; };
        std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return of(a) > of(b); });
        order.resize(std::min(k, order.size()));
        std::vector<Guess> best;
        for (const int i : order) best.push_back({i, of(i)});
        return best;
    }
};

// Computes probabilities from logits, of which there is at least one: eˣ / Σ eˣ, without overflow.
inline std::vector<float> softmax(std::vector<float> logits) {
    const float most = *std::max_element(logits.begin(), logits.end());
    for (float& value : logits) value = std::exp(value - most);
    const float sum = std::accumulate(logits.begin(), logits.end(), 0.0F);
    for (float& value : logits) value /= sum;
    return logits;
}

}  // namespace yolov5_dnn
