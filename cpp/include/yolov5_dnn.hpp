// SPDX-License-Identifier: Apache-2.0
//
// YOLOv5 with OpenCV alone:
//
//     yolov5_dnn::Detector detector("model.onnx");
//     for (const auto& found : detector.detect(cv::imread("bus.jpg")))
//         std::cout << detector.info().names[found.class_id] << ' ' << found.score << ' ' << found.box << '\n';
//
// A Segmenter's detections have masks, those of a face model keypoints; a Classifier tells what a whole picture shows:
//
//     yolov5_dnn::Classifier classifier("model-cls.onnx");
//     for (const auto& guess : classifier.classify(cv::imread("apple.jpg")).top(3))
//         std::cout << classifier.info().names[guess.class_id] << ' ' << guess.probability << '\n';
//
// Model files come from `python -m convert CHECKPOINT.pt`. What it does not do: read pictures and videos (that is
// OpenCV's business), read checkpoints, train.
//
// Functions have the names and the arithmetic of the Python package `runtime`, file for file. What is large is written
// into a variable of the caller's, which is only reallocated when it has to grow: from the second image of a size on,
// detection allocates nothing but the result. Anything refused is a DetectorError. What is in `detail` may change.
//
// C++17; OpenCV 4.5.4 to 5: core, imgproc and dnn.

#ifndef YOLOV5_DNN_HPP
#define YOLOV5_DNN_HPP

// In the order in which to read them; each includes what it needs.
#include "yolov5_dnn/predictors/detector.hpp"
#include "yolov5_dnn/predictors/segmenter.hpp"
#include "yolov5_dnn/predictors/classifier.hpp"
#include "yolov5_dnn/results/detections.hpp"
#include "yolov5_dnn/stages/masks.hpp"
#include "yolov5_dnn/results/rle.hpp"
#include "yolov5_dnn/results/classification.hpp"
#include "yolov5_dnn/drawing/draw.hpp"
#include "yolov5_dnn/drawing/labels.hpp"
#include "yolov5_dnn/errors.hpp"
#include "yolov5_dnn/escape.hpp"
#include "yolov5_dnn/engines/devices.hpp"
#include "yolov5_dnn/tasks/model_info.hpp"
#include "yolov5_dnn/tasks/read_info.hpp"
#include "yolov5_dnn/model/file.hpp"
#include "yolov5_dnn/model/foreign.hpp"
#include "yolov5_dnn/stages/letterbox.hpp"
#include "yolov5_dnn/stages/crop.hpp"
#include "yolov5_dnn/engines/network.hpp"
#include "yolov5_dnn/stages/candidates.hpp"
#include "yolov5_dnn/stages/decode.hpp"
#include "yolov5_dnn/tasks/decoded.hpp"
#include "yolov5_dnn/stages/anchor_free.hpp"
#include "yolov5_dnn/stages/nms.hpp"
#include "yolov5_dnn/predictors/tiles.hpp"
#include "yolov5_dnn/tasks/tasks.hpp"

#endif  // YOLOV5_DNN_HPP
