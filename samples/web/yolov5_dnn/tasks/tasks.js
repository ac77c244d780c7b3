// What a task changes, in one table: here is what to add a row to.
//
// A task is a class in a file of its own. The class says what kind of network it is for:
//   task: the metadata's word for it
//   needs: the metadata, beside what every file has, without which this is not the task
//   optional: further metadata that it reads if it is there
//   any_channels: whether the input may have another number of channels than 3; without it, it may not
//   predictor: the name of the class in predictors/ that runs such a model
// and the object, made of the metadata's values, knows what the model file says:
//   name: the metadata's word for it; names, strides, anchors
//   outputs: the names of the network's outputs, in the order of all that follows
//   output_shapes(height, width): their shapes for such an input, null for a side of the network's own choice
// and, if its answer is boxes,
//   conf_thres, iou_thres: where such networks are usually cut off
//   decode(outputs, conf_thres, multi_label): Candidates
//   more(cv, kept, outputs, placement, image_hw): what the kept candidates have beyond box, score and class,
//     an object for each

import { ModelError } from "../errors.js";
import { shown } from "../values.js";
import { AnchorFree } from "./anchor_free.js";
import { Classify } from "./classify.js";
import { Decoded } from "./decoded.js";
import { Detect } from "./detect.js";
import { Keypoints } from "./keypoints.js";
import { Segment } from "./segment.js";

// Several kinds of network may share a name: of these the first one whose metadata is there is taken.
export const TASKS = [Detect, AnchorFree, Decoded, Segment, Keypoints, Classify];

/** Look a task up by the metadata's `task`, and the keys of the metadata that there are. Throws RangeError. */
export function find_task(name, keys) {
  const named = TASKS.filter((task) => task.task === name);
  if (!named.length) {
    const known = [...new Set(TASKS.map((task) => `'${task.task}'`))].join(" or ");
    throw new RangeError(`the task is ${shown(name)}, and only ${known} is supported`);
  }
  const complete = named.find((task) => task.needs.every((key) => keys.has(key)));
  return complete ?? named.find((task) => keys.has(task.needs.at(-1))) ?? named[0]; // the last key tells most
}

/** Check that a task is one for this predictor, which is called `what`: "classifier". Throws ModelError. */
export function require_task(task, predictor, what, path) {
  const its = task.constructor.predictor;
  if (its !== predictor) throw new ModelError(`${path} is no ${what}; it is for ${its}`);
}
