// Classification: one answer for the whole image.

import { softmax, to_classifier_blob } from "../results/classification.js";
import { ModelError } from "../errors.js";
import { class_names, items } from "./metadata.js";

const CROPS = ["square", "shorter-side"];

/** One output, the logits of the classes, for a square cut from the image, with its colours normalised. */
export class Classify {
  static task = "classify";
  static needs = ["names", "crop", "mean", "std"];
  static optional = [];
  static predictor = "Classifier";

  name = this.constructor.task;
  strides = [];
  anchors = [];
  outputs = ["out0"];

  constructor(values) {
    this.names = class_names(values.names);
    this.crop = values.crop;
    if (!CROPS.includes(this.crop)) throw new RangeError(`crop must be ${CROPS.join(" or ")}`);
    this.mean = colours(values.mean, "mean");
    this.std = colours(values.std, "std");
    if (!this.std.every((each) => each > 0)) throw new RangeError("std must be above 0");
  }

  output_shapes() {
    return [[this.names.length]];
  }

  /** Write an image, {data: R G B A, width, height}, to the network's input, float32 (1, 3, size, size). */
  prepare(cv, image, size, blob) {
    to_classifier_blob(cv, image, size, this.crop, this.mean, this.std, blob);
  }

  /** Turn the logits into probabilities. Throws ModelError if they are not numbers. */
  probabilities([logits]) {
    if (!logits.data.every(Number.isFinite)) throw new ModelError("the network's output is not a number");
    return softmax(logits.data);
  }
}

/** Take a number for red, green and blue. Throws RangeError. */
function colours(value, name) {
  const numbers = items(value, name);
  if (numbers.length !== 3 || !numbers.every((each) => typeof each === "number" && Number.isFinite(Math.fround(each)))) {
    throw new RangeError(`${name} must be three numbers`);
  }
  return numbers.map(Math.fround);
}
