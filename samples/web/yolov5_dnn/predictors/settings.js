// What a call of a Detector may replace, and the checks of it.

import { InputError } from "../errors.js";
import { shown } from "../values.js";

const KNOWN = ["conf_thres", "iou_thres", "max_det", "classes", "agnostic_nms", "multi_label"];

/**
 * Check all settings, and turn names of classes into numbers; `classes` becomes a Set, or null for all.
 *
 * Throws InputError for what is wrong.
 */
export function check_settings(settings, names) {
  for (const key of Object.keys(settings)) {
    if (!KNOWN.includes(key)) throw new InputError(`there is no setting ${shown(key)}; there are ${KNOWN.join(", ")}`);
  }
  const { conf_thres, iou_thres, max_det, classes, agnostic_nms, multi_label } = settings;
  share(conf_thres, "conf_thres");
  share(iou_thres, "iou_thres");
  if (!Number.isInteger(max_det) || max_det < 1) {
    throw new InputError(`max_det must be a whole number of at least 1, not ${shown(max_det)}`);
  }
  for (const [key, value] of Object.entries({ agnostic_nms, multi_label })) {
    if (typeof value !== "boolean") throw new InputError(`${key} must be true or false, not ${shown(value)}`);
  }
  return { ...settings, classes: class_ids(classes, names) };
}

function share(value, name) {
  if (typeof value !== "number" || !(value >= 0 && value <= 1)) {
    throw new InputError(`${name} must be a number from 0 to 1, not ${shown(value)}`);
  }
}

/** Turn names and numbers of classes into a Set of numbers. */
function class_ids(classes, names) {
  if (classes === null || classes instanceof Set) return classes;
  const chosen = new Set();
  for (const each of Array.isArray(classes) ? classes : [classes]) {
    const named = names.flatMap((name, i) => (name === each ? [i] : []));
    const number = /^\d+$/.test(String(each)) && Number(each) < names.length ? [Number(each)] : [];
    const ids = named.length ? named : number;
    if (!ids.length) {
      throw new InputError(
        `there is no class ${shown(each)}; the model has 0 to ${names.length - 1}: ` + shown(names.slice(0, 100).join(", ")),
      );
    }
    ids.forEach((id) => chosen.add(id));
  }
  return chosen;
}
