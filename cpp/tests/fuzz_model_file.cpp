// SPDX-License-Identifier: Apache-2.0
//
// A libFuzzer target for the reader of model files: whatever the bytes are, they lead to a ModelError or to a graph
// that fits. See tests/fuzz/README.md.

#include <yolov5_dnn.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    yolov5_dnn::ModelFile model;
    model.buffer.assign(data, data + size);
    try {
        yolov5_dnn::detail::walk_model(model);
        model.check_input({1, 3, 1280, 1280});
        yolov5_dnn::read_info(model.metadata, "fuzz.onnx");
    } catch (const yolov5_dnn::ModelError&) {
    } catch (const yolov5_dnn::detail::Invalid&) {
    }
    try {
        yolov5_dnn::detail::JsonReader::read({reinterpret_cast<const char*>(data), size});
    } catch (const yolov5_dnn::detail::Invalid&) {
    }
    return 0;
}
