// SPDX-License-Identifier: Apache-2.0
//
// A libFuzzer target for the reader of model files. Anything but a ModelError, and any memory error, stops it:
//
//     CXX=clang++ cmake -S cpp -B fuzz -DYOLOV5_DNN_FUZZER=ON -DYOLOV5_DNN_SANITIZE=ON && cmake --build fuzz -t yolov5_dnn_fuzz
//     fuzz/tests/yolov5_dnn_fuzz -max_total_time=60

#include <yolov5_dnn.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<unsigned char> buffer(data, data + size);
    try {
        yolov5_dnn::read_info(yolov5_dnn::detail::walk_model(buffer), "fuzz.onnx");
    } catch (const yolov5_dnn::ModelError&) {
    } catch (const yolov5_dnn::detail::Invalid&) {
    }
    try {
        yolov5_dnn::detail::JsonReader::read({reinterpret_cast<const char*>(data), size});
    } catch (const yolov5_dnn::detail::Invalid&) {
    }
    return 0;
}
