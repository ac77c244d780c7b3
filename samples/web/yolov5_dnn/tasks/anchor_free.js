// Plain detection without anchors, as today's `ultralytics` package trains YOLOv5 ("yolov5u"), and YOLOv8.

import { decode_anchor_free } from "../stages/anchor_free.js";
import { Detect } from "./detect.js";
import { class_names, output_strides, whole } from "./metadata.js";

/** Heads of 4 · reg_max + classes channels: four distances, reg_max bins each, then classes. */
export class AnchorFree {
  static task = "detect";
  static needs = ["names", "strides", "reg_max"];
  static optional = [];
  static any_channels = true;
  static predictor = Detect.predictor;

  name = this.constructor.task;
  conf_thres = 0.25;
  iou_thres = 0.7;
  anchors = [];

  constructor(values) {
    this.names = class_names(values.names);
    this.strides = output_strides(values.strides);
    if (!this.strides.length) throw new RangeError("there are no strides");
    this.reg_max = whole(values.reg_max, "reg_max", 1024);
    this.outputs = this.strides.map((_, i) => `out${i}`);
  }

  output_shapes(height, width) {
    const channels = 4 * this.reg_max + this.names.length;
    return this.strides.map((stride) => [channels, Math.floor(height / stride), Math.floor(width / stride)]);
  }

  decode(outputs, conf_thres, multi_label) {
    return decode_anchor_free(outputs, this.strides, this.reg_max, conf_thres, multi_label);
  }

  more(cv, kept) {
    return Array.from(kept.scores, () => ({}));
  }
}
