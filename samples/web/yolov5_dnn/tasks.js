// What a task changes, in one table. A model file names its task; it is looked up once, when the file is read.
//
// A task has
//   name: the metadata's word for it
//   keys: the metadata it cannot do without
//   check(values, classes): turn its own metadata into fields of the ModelInfo, or throw RangeError
//   outputs(info): the names of the network's outputs, in order
//   shapes(info, height, width): their shapes, for an input of height × width
//   decode(info, outputs, conf_thres, multi_label): Candidates
//   finish(info, candidates, placement, image_hw, outputs): what each detection has beyond class, score and
//     box, one object for each of the candidates, which are those that NMS chose

import { decode } from "./decode.js";
import { list, MAX_SIDE, shown, whole } from "./values.js";

const MAX_ANCHORS = 64; // of one output
const MAX_OUTPUTS = 16;

/** Boxes by anchors, with whatever `layout` says about the further columns. */
class Detect {
  name = "detect";
  keys = ["names", "anchors", "strides"];

  check(values, classes) {
    const strides = check_strides(values.strides);
    const anchors = check_anchors(values.anchors);
    if (!strides.length || strides.length !== anchors.length) {
      throw new RangeError(`there are ${strides.length} strides for ${anchors.length} outputs with anchors`);
    }
    return { strides, anchors, layout: { classes: [5, 5 + classes], extra: [5 + classes, 5 + classes] } };
  }

  outputs(info) {
    return info.strides.map((_, i) => `out${i}`);
  }

  shapes({ strides, anchors, layout }, height, width) {
    const columns = Math.max(layout.classes[1], layout.extra[1]);
    return strides.map((stride, i) => [1, anchors[i].length * columns, height / stride, width / stride].map(Math.floor));
  }

  decode({ anchors, strides, layout }, outputs, conf_thres, multi_label) {
    return decode(outputs.slice(0, strides.length).map(of_one_image), anchors, strides, layout, conf_thres, multi_label);
  }

  finish(info, candidates) {
    return Array.from(candidates.scores, () => ({}));
  }
}

export const TASKS = { detect: new Detect() };

/** Look a task up by the metadata. Throws RangeError. */
export function find_task(values) {
  if (!Object.hasOwn(TASKS, values.task)) {
    const known = Object.keys(TASKS).map((name) => `'${name}'`).join(", ");
    throw new RangeError(`the task is ${shown(values.task)}, and only ${known} is supported`);
  }
  return TASKS[values.task];
}

function of_one_image({ shape, data }) {
  return { shape: shape.slice(1), data };
}

function check_strides(strides) {
  list(strides, "strides");
  if (strides.length > MAX_OUTPUTS) throw new RangeError(`there are ${strides.length} strides, more than ${MAX_OUTPUTS}`);
  return strides.map((stride) => whole(stride, "strides", MAX_SIDE));
}

function check_anchors(anchors) {
  return list(anchors, "anchors").map((pairs) => {
    const numbers = Array.isArray(pairs) ? pairs.flat(4) : [];
    const fine = (value) => typeof value === "number" && value >= 0 && Number.isFinite(Math.fround(value));
    if (!numbers.length || numbers.length % 2 || !numbers.every(fine) || numbers.length > 2 * MAX_ANCHORS) {
      throw new RangeError("anchors must be, for each output, pairs of numbers, none below 0");
    }
    return Array.from({ length: numbers.length / 2 }, (_, i) => numbers.slice(2 * i, 2 * i + 2).map(Math.fround));
  });
}
