// From prototypes and mask coefficients to the masks of what was found, and from the canvas to the image.
//
// A mask is σ(coefficients · prototypes), cut to its box, scaled up to the canvas and compared with a half:
// https://github.com/ultralytics/yolov5/blob/v7.0/utils/segment/general.py (`process_mask`).
//
// Only what lies within a mask's box is ever computed, one mask after the other. A bitmap is {left, top, width,
// height, data}: bytes of 0 and 1, row by row; everything else is outside it.

import { sigmoid } from "./decode.js";
import { round } from "../values.js";

const f32 = Math.fround;

const EMPTY = { left: 0, top: 0, width: 0, height: 0, data: new Uint8Array(0) };

/**
 * Compute the masks of boxes on the canvas.
 *
 * @param {{shape: number[], data: Float32Array}} prototypes (nm, mh, mw)
 * @param {Candidates} kept boxes in canvas pixels, not clipped and not rounded, with nm coefficients each
 * @returns {object[]} a bitmap for each box, in canvas pixels
 */
export function make_bitmaps(cv, prototypes, kept, canvas_hw) {
  const [nm, height, width] = prototypes.shape;
  const data = prototypes.data.slice(); // OpenCV's memory moves when it grows
  const scale_x = canvas_hw[1] / width, scale_y = canvas_hw[0] / height;
  return Array.from(kept.scores, (_, row) => {
    const box = Array.from(kept.xyxy.subarray(4 * row, 4 * row + 4), (edge, i) => f32(edge * f32(i % 2 ? 1 / scale_y : 1 / scale_x)));
    // A cell belongs to the box if its index does: the first one is the first not below the edge.
    const [x1, y1, x2, y2] = box.map((edge, i) => Math.ceil(Math.min(Math.max(edge, 0), i % 2 ? height : width)));
    if (x1 >= x2 || y1 >= y2) return EMPTY;
    // One cell more on each side: scaling up mixes neighbours, and those outside the box count as 0.
    const left = Math.max(x1 - 1, 0), top = Math.max(y1 - 1, 0);
    const right = Math.min(x2 + 1, width), bottom = Math.min(y2 + 1, height);
    const inside = new Float32Array((bottom - top) * (right - left));
    for (let y = y1; y < y2; y++) {
      for (let x = x1; x < x2; x++) {
        let sum = 0;
        for (let k = 0; k < nm; k++) sum += kept.extra[row * nm + k] * data[(k * height + y) * width + x];
        inside[(y - top) * (right - left) + x - left] = sigmoid(f32(sum));
      }
    }
    const corner = [round(left * scale_x), round(top * scale_y)];
    const size = [round(right * scale_x) - corner[0], round(bottom * scale_y) - corner[1]];
    const shares = resize_floats(cv, inside, [bottom - top, right - left], [size[1], size[0]]);
    return { left: corner[0], top: corner[1], width: size[0], height: size[1], data: Uint8Array.from(shares, (each) => each > 0.5) };
  });
}

/** Scale float32 (h, w) with bilinear interpolation. */
function resize_floats(cv, values, [h, w], [height, width]) {
  const from = new cv.Mat(h, w, cv.CV_32FC1), to = new cv.Mat();
  try {
    from.data32F.set(values);
    cv.resize(from, to, new cv.Size(width, height), 0, 0, cv.INTER_LINEAR);
    return to.data32F.slice();
  } finally {
    from.delete();
    to.delete();
  }
}

/**
 * Move a bitmap from the canvas to the image of [h, w]. The result has also `size`, the image's [h, w].
 */
export function to_image(cv, { left, top, width, height, data }, { scale, pad_x, pad_y }, image_hw) {
  const columns = reach(left, width, scale, pad_x, image_hw[1]);
  const rows = reach(top, height, scale, pad_y, image_hw[0]);
  const size = [rows.end - rows.start, columns.end - columns.start];
  if (!data.length || size[0] <= 0 || size[1] <= 0) return { ...EMPTY, size: image_hw };

  // Around the bitmap it is 0, but past the image's own edge it goes on as it is there.
  const full = width + 2;
  const bordered = new Uint8Array(full * (height + 2));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) bordered[(y + 1) * full + x + 1] = 255 * data[y * width + x];
  }
  for (let y = 1; y <= height; y++) {
    if (columns.first) bordered[y * full] = bordered[y * full + 1];
    if (columns.last) bordered[y * full + full - 1] = bordered[y * full + full - 2];
  }
  for (let x = 0; x < full; x++) {
    if (rows.first) bordered[x] = bordered[full + x];
    if (rows.last) bordered[(height + 1) * full + x] = bordered[height * full + x];
  }

  const from = new cv.Mat(height + 2, full, cv.CV_8UC1), to = new cv.Mat();
  const matrix = cv.matFromArray(2, 3, cv.CV_64FC1, [scale, 0, columns.offset, 0, scale, rows.offset]);
  try {
    from.data.set(bordered);
    const flags = cv.INTER_LINEAR | cv.WARP_INVERSE_MAP;
    cv.warpAffine(from, to, matrix, new cv.Size(size[1], size[0]), flags, cv.BORDER_REPLICATE, new cv.Scalar());
    return {
      left: columns.start, top: rows.start, width: size[1], height: size[0], size: image_hw,
      data: Uint8Array.from(to.data, (grey) => grey > 127),
    };
  } finally {
    for (const each of [from, to, matrix]) each.delete();
  }
}

/**
 * What of an image a bitmap of the canvas reaches, along one axis: pixels `start` to `end`; whether the bitmap
 * touches the image's first and last pixel; where the centre of the pixel `start` lies in the bitmap, with a border
 * of one.
 *
 * canvas = image · scale + pad holds for edges; a pixel's centre is half a pixel further. The picture on the canvas
 * was rounded to whole pixels there, so its edge is meant within one of them.
 */
function reach(bitmap_start, length, scale, pad, side) {
  const first = bitmap_start < pad + 1, last = bitmap_start + length > side * scale + pad - 1;
  const start = first ? 0 : Math.max(Math.floor((bitmap_start - pad) / scale), 0);
  const end = last ? side : Math.min(Math.ceil((bitmap_start + length - pad) / scale), side);
  return { start, end, first, last, offset: (start + 0.5) * scale + pad - 0.5 - (bitmap_start - 1) };
}
