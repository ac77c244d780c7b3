// Plain detection of networks that decode their boxes themselves, as other exporters write them.

import { as_candidates } from "../stages/decode.js";
import { ModelError } from "../errors.js";
import { LAYOUTS } from "../model/foreign.js";
import { Detect } from "./detect.js";
import { class_names } from "./metadata.js";

const f32 = Math.fround;

/** One output of boxes in pixels of the input and of probabilities, as `exports` tells the layouts. */
export class Decoded {
  static task = "detect";
  static needs = ["names", "decoded"];
  static optional = [];
  static user = Detect.user;

  conf_thres = 0.25;
  strides = [];
  anchors = [];
  outputs = ["output0"];

  constructor(values) {
    this.names = class_names(values.names);
    this.layout = values.decoded;
    if (!LAYOUTS.includes(this.layout)) throw new RangeError(`decoded must be ${LAYOUTS.join(" or ")}`);
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
      if (!(Number.isInteger(class_id) && class_id >= 0 && class_id < this.names.length)) {
        throw new ModelError(`the network gives a class that is none of the ${this.names.length} it has`);
      }
      add([x1, y1, x2, y2], score, class_id);
    }
  }
}
