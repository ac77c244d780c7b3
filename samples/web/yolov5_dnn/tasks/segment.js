// Segmentation: a box, and which pixels in it belong to the object.

import { decode, sigmoid } from "../stages/decode.js";
import { make_bitmaps, to_image } from "../stages/masks.js";
import { Detect } from "./detect.js";
import { whole } from "./metadata.js";

const f32 = Math.fround;

/**
 * Heads of na · (5 + classes + nm) channels, the last nm of them coefficients, and the output `proto`: prototypes
 * of (nm, H / s, W / s) at a stride s of the network's own choice, usually 4.
 */
export class Segment extends Detect {
  static task = "segment";
  static needs = [...Detect.needs, "masks"];

  constructor(values) {
    super(values);
    this.nm = whole(values.masks, "masks");
    const first = 5 + this.names.length;
    this.layout = { classes: [5, first], extra: [first, first + this.nm] };
    this.outputs = [...this.outputs, "proto"];
  }

  output_shapes(height, width) {
    return [...super.output_shapes(height, width), [this.nm, null, null]];
  }

  /** Decode all heads; the coefficients travel along. */
  decode(outputs, conf_thres, multi_label) {
    const heads = outputs.slice(0, this.strides.length);
    // YOLOv5's NMS multiplies everything after the objectness by it, the coefficients, too. That moves no
    // pixel's sign, but some pixels of the border once the masks are scaled up.
    const coefficient = (value, i, { at }) => f32(value * sigmoid(at(4)));
    return decode(heads, this.anchors, this.strides, this.layout, conf_thres, multi_label, coefficient);
  }

  more(cv, kept, outputs, placement, image_hw) {
    const [, ny, nx] = outputs[0].shape;
    const canvas_hw = [ny * this.strides[0], nx * this.strides[0]];
    const bitmaps = make_bitmaps(cv, outputs.at(-1), kept, canvas_hw);
    return bitmaps.map((bitmap) => ({ mask: to_image(cv, bitmap, placement, image_hw) }));
  }
}
