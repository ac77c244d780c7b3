// SPDX-License-Identifier: Apache-2.0
// The segmenter: a detector that is certain to give masks.

#pragma once

#include <filesystem>
#include <string>

#include "detector.hpp"
#include "../errors.hpp"
#include "../unicode.hpp"

namespace yolov5_dnn {

// A Detector whose model gives masks: each Detection has one. It differs in one respect: it refuses every other model.
class Segmenter : public Detector {
public:
    // Throws what Detector's throws, and ModelError for a model that gives no masks.
    explicit Segmenter(const std::filesystem::path& model, const Options& options = {})
        : Segmenter(read_model(model), options) {}
    explicit Segmenter(const ModelFile& file, const Options& options = {}) : Detector(file, options) {
        if (info().masks == 0)
            throw ModelError(detail::utf8(file.path) + " gives no masks; it is for " + info().head->user);
    }
};

}  // namespace yolov5_dnn
