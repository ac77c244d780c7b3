// A classifier's input, and its answer.
//
// The arithmetic is YOLOv5's. Release v7.0 cuts the largest square from the middle and scales that ("square"); v6.2
// scales the shorter side and cuts the middle then ("shorter-side"):
// https://github.com/ultralytics/yolov5/blob/v7.0/utils/augmentations.py (`CenterCrop`, `ToTensor`) and
// https://github.com/ultralytics/yolov5/blob/v6.2/utils/augmentations.py (`classify_transforms`).

import { resize } from "./letterbox.js";
import { resize_floats } from "./masks.js";
import { round } from "./values.js";

const f32 = Math.fround;

/** Cut the largest square from the middle of an image and scale it: R G B A bytes, (size, size). */
function crop_square(cv, { data, width, height }, size) {
  const side = Math.min(width, height);
  const top = Math.floor((height - side) / 2), left = Math.floor((width - side) / 2);
  const square = new Uint8ClampedArray(4 * side * side);
  for (let y = 0; y < side; y++) {
    const from = 4 * ((top + y) * width + left);
    square.set(data.subarray(from, from + 4 * side), 4 * side * y);
  }
  return side === size ? square : resize(cv, { data: square, width: side, height: side }, size, size);
}

/** Scale an image so that its shorter side is `size`, and cut the middle square: R G B floats, 0 to 1. */
function crop_shorter_side(cv, { data, width, height }, size) {
  const [new_h, new_w] =
    height <= width ? [size, Math.trunc((size * width) / height)] : [Math.trunc((size * height) / width), size];
  let scaled = new Float32Array(3 * width * height);
  for (let i = 0; i < width * height; i++) for (let c = 0; c < 3; c++) scaled[3 * i + c] = data[4 * i + c] / 255;
  if (new_h !== height || new_w !== width) scaled = resize_floats(cv, scaled, [height, width], [new_h, new_w], 3);
  const top = round((new_h - size) / 2), left = round((new_w - size) / 2);
  const middle = new Float32Array(3 * size * size);
  for (let y = 0; y < size; y++) {
    const from = 3 * ((top + y) * new_w + left);
    middle.set(scaled.subarray(from, from + 3 * size), 3 * size * y);
  }
  return middle;
}

/**
 * Write an image to a classifier's input: float32 (1, 3, size, size), R G B, normalised by mean and std.
 *
 * @param {Function} blob gives the memory to write to; nothing of OpenCV is called after it
 */
export function to_classifier_blob(cv, image, size, crop, mean, std, blob) {
  const square = crop === "square";
  const middle = square ? crop_square(cv, image, size) : crop_shorter_side(cv, image, size);
  const out = blob();
  const plane = size * size, step = square ? 4 : 3;
  for (let c = 0; c < 3; c++) {
    for (let i = 0; i < plane; i++) {
      const value = middle[step * i + c];
      out[c * plane + i] = f32(f32((square ? f32(value / 255) : value) - mean[c]) / std[c]);
    }
  }
}

/** Compute probabilities from logits: eˣ / Σ eˣ, without overflow. */
export function softmax(logits) {
  const most = Math.max(...logits);
  const powers = Float32Array.from(logits, (each) => Math.exp(each - most));
  const sum = powers.reduce((total, each) => total + each, 0);
  return powers.map((each) => each / sum);
}

/** Give the k most probable classes, best first; of equals, the one with the lower number first. */
export function top(probabilities, names, k = 5) {
  return Array.from(probabilities.keys())
    .sort((i, j) => probabilities[j] - probabilities[i] || i - j)
    .slice(0, k)
    .map((class_id) => ({ class_id, name: names[class_id], probability: probabilities[class_id] }));
}
