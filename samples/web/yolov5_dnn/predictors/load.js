// The predictor that a model file is for.

import { read_info, read_model } from "../model/file.js";
import { Classifier } from "./classifier.js";
import { Detector } from "./detector.js";

export const PREDICTORS = { Detector, Classifier };

/**
 * Load a model file as what it is for: a Detector, or a Classifier for a file whose task is to classify.
 *
 * @param {object} cv OpenCV.js 5
 * @param {Uint8Array} bytes of the .onnx file, or what `read_model` gave
 * @param {object} options what the class takes: `imgsz` and `path` for both
 *
 * Throws ModelError for the file, InputError for any other argument.
 */
export async function load_model(cv, bytes, options = {}) {
  const file = bytes instanceof Uint8Array ? read_model(bytes, options.path) : bytes;
  const { task } = read_info(file.metadata, options.path, options);
  return PREDICTORS[task.constructor.predictor].load(cv, file, options);
}
