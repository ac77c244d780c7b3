// Boxes with keypoints: the faces and their five landmarks of yolov5-face.

import { decode } from "../stages/decode.js";
import { unletterbox } from "../stages/letterbox.js";
import { Detect } from "./detect.js";
import { whole } from "./metadata.js";

const f32 = Math.fround;

/**
 * Heads of na · (5 + 2k + classes) channels: x y w h objectness, x1 y1 … xk yk, classes.
 *
 * A point lies at raw · anchor + cell · stride, without a sigmoid and without the boxes' half cell:
 * https://github.com/deepcam-cn/yolov5-face (models/yolo.py).
 */
export class Keypoints extends Detect {
  static task = "keypoints";
  static needs = [...Detect.needs, "keypoints"];

  conf_thres = 0.6;
  iou_thres = 0.5;

  constructor(values) {
    super(values);
    this.k = whole(values.keypoints, "keypoints");
    const first = 5 + 2 * this.k;
    this.layout = { classes: [first, first + this.names.length], extra: [5, first] };
  }

  /** Decode all heads. Of several classes each that scores high enough counts, as in yolov5-face. */
  decode(outputs, conf_thres, multi_label) {
    const several = multi_label || this.names.length > 1;
    const point = (value, i, { cell, anchor, stride }) => f32(f32(value * f32(anchor[i % 2])) + cell[i % 2] * stride);
    return decode(outputs, this.anchors, this.strides, this.layout, conf_thres, several, point);
  }

  /** Move the points to the image; those outside come to its edge. */
  more(cv, kept, outputs, placement, image_hw) {
    const points = unletterbox(kept.extra, placement, image_hw);
    return Array.from(kept.scores, (_, row) => ({
      keypoints: Array.from({ length: this.k }, (_, i) => {
        const at = 2 * (row * this.k + i);
        return [points[at], points[at + 1]];
      }),
    }));
  }
}
