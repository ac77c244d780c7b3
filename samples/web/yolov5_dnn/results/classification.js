// A classifier's input, and its answer.
//
// The arithmetic is YOLOv5's. Release v7.0 cuts the largest square from the middle and scales that ("square"); v6.2
// scales the shorter side and cuts the middle then ("shorter-side"):
// https://github.com/ultralytics/yolov5/blob/v7.0/utils/augmentations.py (`CenterCrop`, `ToTensor`) and
// https://github.com/ultralytics/yolov5/blob/v6.2/utils/augmentations.py (`classify_transforms`).

import { resize } from "../stages/letterbox.js";
import { round } from "../values.js";

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

/**
 * Scale an image so that its shorter side is `size`, and cut the middle square: R G B floats, 0 to 1. What is cut off,
 * which can be a thousand times as much, is never computed.
 */
function crop_shorter_side({ data, width, height }, size) {
  const shorter = Math.min(width, height);
  const rows = taps(height, shorter, size), columns = taps(width, shorter, size);
  const unit = (y, x, c) => f32(data[4 * (y * width + x) + c] / 255);
  const middle = new Float32Array(3 * size * size);
  let at = 0;
  for (const down of rows) {
    for (const across of columns) {
      const blend = (y, c) => between(unit(y, across.first, c), unit(y, across.second, c), across.share);
      for (let c = 0; c < 3; c++) middle[at++] = between(blend(down.first, c), blend(down.second, c), down.share);
    }
  }
  return middle;
}

/**
 * Between which two pixels of a line those of the scaled line's middle lie, and how far from the first. In float32
 * throughout, as PyTorch computes it: its `interpolate`, bilinear, without aligned corners.
 */
function taps(side, shorter, size) {
  const scaled = side === shorter ? size : Math.trunc((size * side) / shorter);
  const start = round((scaled - size) / 2), scale = f32(side / scaled);
  return Array.from({ length: size }, (_, i) => {
    const position = f32(f32(f32(start + i + 0.5) * scale) - 0.5);
    const inside = Math.min(Math.max(position, 0), side - 1), first = Math.trunc(inside);
    return { first, second: Math.min(first + 1, side - 1), share: f32(inside - first) };
  });
}

function between(first, second, share) {
  return f32(f32(first * f32(1 - share)) + f32(second * share));
}

/**
 * Write an image to a classifier's input: float32 (1, 3, size, size), R G B, normalised by mean and std.
 *
 * @param {Function} blob gives the memory to write to; nothing of OpenCV is called after it
 */
export function to_classifier_blob(cv, image, size, crop, mean, std, blob) {
  const square = crop === "square";
  const middle = square ? crop_square(cv, image, size) : crop_shorter_side(image, size);
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
