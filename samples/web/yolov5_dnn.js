// SPDX-License-Identifier: Apache-2.0
//
// YOLOv5 detection with OpenCV.js alone: the twin of the Python package `runtime` and of the C++ headers.
// Functions have their names and their arithmetic. It needs no page: it runs in a worker and in Node, too.
//
//     import loadOpenCV from "@opencvjs/web/lib/opencv_js.js";
//     import { Detector } from "./yolov5_dnn.js";
//
//     const cv = await loadOpenCV();
//     const detector = await Detector.load(cv, bytes); // Uint8Array of a file made by `python -m convert`
//     for (const { name, score, box } of detector.detect(image_data)) console.log(name, score, box);
//     detector.dispose();
//
// The modules, in the order the data flows:
//
//     errors, escape · stages/: letterbox, candidates, decode, anchor_free, nms, masks · results/ · drawing/ ·
//     model/: the file · tasks/ · engines/: network · predictors/: tiles, settings, detector, classifier, load

export { DetectorError, InputError, ModelError } from "./yolov5_dnn/errors.js";
export { read_info, read_model } from "./yolov5_dnn/model/file.js";
export { letterbox, letterbox_shape, to_blob, to_channels, unletterbox } from "./yolov5_dnn/stages/letterbox.js";
export { Candidates } from "./yolov5_dnn/stages/candidates.js";
export { decode, decode_boxes, logit, sigmoid } from "./yolov5_dnn/stages/decode.js";
export { decode_anchor_free } from "./yolov5_dnn/stages/anchor_free.js";
export { nms } from "./yolov5_dnn/stages/nms.js";
export { class_colour, css, draw, draw_classes, line_width, text_colour, text_size } from "./yolov5_dnn/drawing/draw.js";
export { Network } from "./yolov5_dnn/engines/network.js";
export { Classifier } from "./yolov5_dnn/predictors/classifier.js";
export { Detector, STAGES, to_dict } from "./yolov5_dnn/predictors/detector.js";
export { load_model } from "./yolov5_dnn/predictors/load.js";
export { merge_windows, MIN_TILE, tile_windows } from "./yolov5_dnn/predictors/tiles.js";
export { escape } from "./yolov5_dnn/escape.js";
