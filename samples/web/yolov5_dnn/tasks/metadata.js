// Checking the values that a model file's metadata holds: plain JSON of a file that may say anything.

import { MAX_SIDE, shown } from "../values.js";

const MAX_OUTPUTS = 16;
const MAX_ANCHORS = 64; // of one output

/** Take a whole number from 1 to `most`. Throws RangeError. */
export function whole(value, name, most = MAX_SIDE) {
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new RangeError(`${name} must be whole numbers from 1 to ${most}, not ${shown(value)}`);
  }
  return value;
}

/** Take a list. Throws RangeError. */
export function items(value, name) {
  if (!Array.isArray(value)) throw new RangeError(`${name} must be a list`);
  return value;
}

/** Take the names of the classes, at least one. Throws RangeError. */
export function class_names(value) {
  const names = items(value, "names");
  if (!names.length || !names.every((name) => typeof name === "string")) {
    throw new RangeError("names must be a list of strings");
  }
  return names;
}

/** Take the stride of each output, in pixels. Throws RangeError. */
export function output_strides(value) {
  const strides = items(value, "strides");
  if (strides.length > MAX_OUTPUTS) throw new RangeError(`there are ${strides.length} strides, more than ${MAX_OUTPUTS}`);
  return strides.map((stride) => whole(stride, "strides"));
}

/** Take the anchors of each output: its [width, height] pairs, in pixels, rounded to float32. Throws RangeError. */
export function output_anchors(value) {
  return items(value, "anchors").map((pairs) => {
    const numbers = Array.isArray(pairs) ? pairs.flat(4) : [];
    const fine = (number) => typeof number === "number" && number >= 0 && Number.isFinite(Math.fround(number));
    if (!numbers.length || numbers.length % 2 || !numbers.every(fine) || numbers.length > 2 * MAX_ANCHORS) {
      throw new RangeError("anchors must be, for each output, pairs of numbers, none below 0");
    }
    return Array.from({ length: numbers.length / 2 }, (_, i) => numbers.slice(2 * i, 2 * i + 2).map(Math.fround));
  });
}
