// Plain detection of networks that decode their boxes themselves, as other exporters write them.

import { as_candidates } from "../stages/decode.js";
import { ModelError } from "../errors.js";
import { LAYOUTS } from "../model/foreign.js";
import { Detect } from "./detect.js";
import { class_names, whole } from "./metadata.js";

const f32 = Math.fround;
const MOST = 1.01; // of a probability: 16 bits, and rounding, leave a little above 1
const CONVERT = "convert its checkpoint with: python -m convert CHECKPOINT.pt";

/** One output of boxes in pixels of the input and of probabilities, as `foreign` tells the layouts. */
export class Decoded {
  static task = "detect";
  static needs = ["names", "decoded"];
  static optional = ["input_scale"];
  static any_channels = true;
  static predictor = Detect.predictor;

  name = this.constructor.task;
  conf_thres = 0.25;
  strides = [];
  anchors = [];
  outputs = ["output0"];

  constructor(values) {
    this.names = class_names(values.names);
    this.layout = values.decoded;
    if (!LAYOUTS.includes(this.layout)) throw new RangeError(`decoded must be ${LAYOUTS.join(" or ")}`);
    this.input_scale = whole(values.input_scale ?? 1, "input_scale", 255); // what its pixels, 0 to 1, are multiplied by
    // What is usual for such networks; above 1 nothing is left for NMS to do.
    this.iou_thres = { yolov5: 0.45, yolov8: 0.7, "end-to-end": 1 }[this.layout];
  }

  /** Give the shape of the output; how many boxes there are is the network's own choice. */
  output_shapes() {
    const classes = this.names.length;
    return [{ yolov5: [null, 5 + classes], yolov8: [4 + classes, null], "end-to-end": [null, 6] }[this.layout]];
  }

  /** Choose the boxes that score above `conf_thres`, all of them in the order of the output. */
  decode([{ shape, data }], conf_thres, multi_label) {
    const found = { xyxy: [], scores: [], class_ids: [], extra: [] }, least = f32(conf_thres);
    const add = (box, score, class_id) => {
      found.xyxy.push(...box);
      found.scores.push(score);
      found.class_ids.push(class_id);
    };
    if (this.layout === "end-to-end") this.#final(shape, data, least, add);
    else this.#rows(shape, data, least, multi_label, add);
    if (found.scores.length && largest_place(this.layout, shape, data) <= 2) {
      throw new ModelError(
        `the network gives boxes in shares of the picture, from 0 to 1, and not in pixels, as exports for TensorFlow do; ${CONVERT}`,
      );
    }
    if (!found.scores.every(Number.isFinite)) throw new ModelError("the network gives boxes that are not finite");
    return as_candidates(found);
  }

  more(cv, kept) {
    return Array.from(kept.scores, () => ({}));
  }

  #rows([first, second], data, least, multi_label, add) {
    const columns = this.layout === "yolov8"; // a box is a column, and its class scores have no objectness
    const boxes = columns ? second : first, offset = columns ? 4 : 5, classes = this.names.length;
    for (let row = 0; row < boxes; row++) {
      const at = columns ? (value) => data[value * boxes + row] : (value) => data[row * second + value];
      const objectness = columns ? 1 : at(4);
      if (objectness <= least) continue;
      let best = 0, best_score = -Infinity, box = null;
      const chosen = (score, class_id) => {
        if (!(score > least)) return;
        if (!box) {
          const [x, y, half_width, half_height] = [at(0), at(1), at(2) / 2, at(3) / 2];
          box = [x - half_width, y - half_height, x + half_width, y + half_height].map(f32);
        }
        add(box, score, class_id);
      };
      for (let class_id = 0; class_id < classes; class_id++) {
        const score = f32(at(offset + class_id) * objectness);
        if (Number.isNaN(score)) throw new ModelError("the network's output is not a number");
        check_score(score, columns ? first : second, this.layout);
        if (multi_label) chosen(score, class_id);
        else if (score > best_score) [best, best_score] = [class_id, score];
      }
      if (!multi_label) chosen(best_score, best);
    }
  }

  #final([boxes, width], data, least, add) {
    for (let row = 0; row < boxes; row++) {
      const [x1, y1, x2, y2, score, class_id] = data.subarray(row * width, (row + 1) * width);
      if (score <= least) continue;
      check_score(score, width, this.layout);
      if (!(Number.isInteger(class_id) && class_id >= 0 && class_id < this.names.length)) {
        throw new ModelError(`the network gives a class that is none of the ${this.names.length} it has`);
      }
      add([x1, y1, x2, y2], score, class_id);
    }
  }
}

/** Check that a score can be a probability. Throws ModelError. */
function check_score(score, columns, layout) {
  if (score <= MOST && score >= 1 - MOST) return;
  const face = columns === 16 && layout === "yolov5" ? "; 16 are those of yolov5-face, with 5 points" : "";
  throw new ModelError(
    `the network gives a score of ${score.toPrecision(4)}, and a probability is at most 1: its ${columns} columns are not ` +
      `boxes and classes${face}; ${CONVERT}`,
  );
}

/** The largest number, in pixels, of where all boxes are: their centres, or corners. */
function largest_place(layout, [first, second], data) {
  let largest = 0;
  if (layout === "yolov8") {
    for (let i = 0; i < 2 * second; i++) largest = Math.max(largest, data[i]);
    return largest;
  }
  const values = layout === "yolov5" ? 2 : 4;
  for (let row = 0; row < first; row++) {
    for (let value = 0; value < values; value++) largest = Math.max(largest, data[row * second + value]);
  }
  return largest;
}
