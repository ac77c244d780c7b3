// Plain detection: boxes by anchors.

import { decode } from "../stages/decode.js";
import { class_names, output_anchors, output_strides } from "./metadata.js";

/** Heads of na · (5 + classes) channels: x y w h objectness, classes, anchor by anchor. */
export class Detect {
  static task = "detect";
  static needs = ["names", "anchors", "strides"];
  static optional = [];
  static any_channels = true;
  static predictor = "Detector";

  name = this.constructor.task;
  conf_thres = 0.25;
  iou_thres = 0.45;

  constructor(values) {
    this.names = class_names(values.names);
    this.strides = output_strides(values.strides);
    this.anchors = output_anchors(values.anchors);
    if (!this.strides.length || this.strides.length !== this.anchors.length) {
      throw new RangeError(`there are ${this.strides.length} strides for ${this.anchors.length} outputs with anchors`);
    }
    const end = 5 + this.names.length;
    this.layout = { classes: [5, end], extra: [end, end] };
    this.outputs = this.strides.map((_, i) => `out${i}`);
  }

  output_shapes(height, width) {
    const columns = Math.max(this.layout.classes[1], this.layout.extra[1]);
    return this.strides.map((stride, i) => [
      this.anchors[i].length * columns, Math.floor(height / stride), Math.floor(width / stride),
    ]);
  }

  decode(outputs, conf_thres, multi_label) {
    const heads = outputs.slice(0, this.strides.length);
    return decode(heads, this.anchors, this.strides, this.layout, conf_thres, multi_label);
  }

  more(cv, kept) {
    return Array.from(kept.scores, () => ({}));
  }
}
