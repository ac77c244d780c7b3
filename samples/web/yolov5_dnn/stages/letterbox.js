// From an image of any size to the network's input, and back again for boxes.
//
// The arithmetic, rounding included, is YOLOv5's, so that boxes agree with PyTorch's:
// https://github.com/ultralytics/yolov5/blob/v7.0/utils/augmentations.py (`letterbox`) and
// https://github.com/ultralytics/yolov5/blob/v7.0/utils/general.py (`scale_boxes`).

import { InputError } from "../errors.js";
import { round, shown } from "../values.js";

const f32 = Math.fround;
const GREY = 114; // of the padding, in all channels
const OPAQUE_GREY = 0xff727272; // four bytes of it, R G B A

// What /255 makes of each byte.
const UNIT = Float32Array.from({ length: 256 }, (_, value) => value / 255);

/**
 * Check an image: {data: RGBA bytes, width, height}, as ImageData is, or an array, {data, width, height, channels}: so
 * many bytes for each pixel, row by row. Throws InputError.
 */
export function check_image(image) {
  const { data, width, height, channels } = image ?? {};
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
    throw new InputError("an image must be {data, width, height} with the bytes of its pixels, R G B A");
  }
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw new InputError(`an image must be at least one pixel wide and high, not ${width} × ${height}`);
  }
  if (channels !== undefined && (!Number.isInteger(channels) || channels < 1)) {
    throw new InputError(`channels must be a whole number of at least 1, not ${shown(channels)}`);
  }
  const bytes = (channels ?? 4) * width * height;
  if (data.length !== bytes) {
    throw new InputError(`an image of ${width} × ${height} must have ${bytes} bytes, not ${data.length}`);
  }
}

/**
 * Bring an image into the form for a network that takes so many channels.
 *
 * R G B A bytes stay as they are for 3 channels, of which alpha is left out of account, and become grey for 1, by
 * OpenCV's `COLOR_RGBA2GRAY`. Any other number cannot come from a canvas's pixels: an array must have as many channels,
 * which are taken in their order: of 3, R G B. Throws InputError for anything else.
 */
export function to_channels(cv, image, channels) {
  check_image(image);
  const given = image.channels ?? 3;
  if (image.channels === undefined && channels === 1) return to_grey(cv, image);
  if (given !== channels) throw new InputError(`the image has ${given} channels, and the model takes ${channels}`);
  return image.channels === 3 ? to_rgba(image) : image;
}

function to_rgba({ data, width, height }) {
  const rgba = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
    for (let c = 0; c < 3; c++) rgba[to + c] = data[from + c];
  }
  return { data: rgba, width, height };
}

function to_grey(cv, { data, width, height }) {
  const from = new cv.Mat(height, width, cv.CV_8UC4);
  const to = new cv.Mat();
  try {
    from.data.set(data);
    cv.cvtColor(from, to, cv.COLOR_RGBA2GRAY);
    return { data: to.data.slice(), width, height, channels: 1 };
  } finally {
    from.delete();
    to.delete();
  }
}

/** Size [h, w] of the scaled image itself, without padding: at least one pixel each way. */
function resized_shape([h, w], imgsz) {
  const scale = Math.min(imgsz[0] / h, imgsz[1] / w);
  return [Math.max(round(h * scale), 1), Math.max(round(w * scale), 1)];
}

/**
 * Size [H, W] of the canvas for an image of size [h, w].
 *
 * With null for `multiple` it is `imgsz`. Else each side is the smallest multiple of it that holds the image once
 * it has been scaled to fit into `imgsz`.
 */
export function letterbox_shape(image_hw, imgsz, multiple) {
  if (!multiple) return imgsz;
  return resized_shape(image_hw, imgsz).map((side) => Math.ceil(side / multiple) * multiple);
}

/**
 * Scale an image into `imgsz` [h, w], keeping its aspect ratio, and centre it on a grey canvas.
 *
 * The canvas is as large as `letterbox_shape` says.
 *
 * @returns {{canvas: {data: Uint8ClampedArray, width, height}, placement: {scale, pad_x, pad_y}}} the canvas,
 *   R G B A or an array of `channels` as the image is, and the placement for `unletterbox`: canvas = image · scale +
 *   pad. The pads are not rounded to whole pixels, although the picture itself is: that is how YOLOv5 maps boxes back.
 */
export function letterbox(cv, image, imgsz, multiple) {
  const { width: w, height: h, channels } = image;
  const step = channels ?? 4;
  const [height, width] = letterbox_shape([h, w], imgsz, multiple);
  const [new_h, new_w] = resized_shape([h, w], imgsz);
  const inside = new_h === h && new_w === w ? image.data : resize(cv, image, new_h, new_w);

  const canvas = { data: new Uint8ClampedArray(step * height * width), width, height, channels };
  if (channels !== undefined) canvas.data.fill(GREY);
  else if (new_h < height || new_w < width) new Uint32Array(canvas.data.buffer).fill(OPAQUE_GREY);
  const top = round((height - new_h) / 2 - 0.1), left = round((width - new_w) / 2 - 0.1);
  for (let y = 0; y < new_h; y++) {
    canvas.data.set(inside.subarray(step * new_w * y, step * new_w * (y + 1)), step * ((top + y) * width + left));
  }

  // YOLOv5 takes the scale for the way back from the canvas, not from the resize. They differ when rounding
  // brought the shorter side down to that multiple.
  const scale = Math.min(height / h, width / w);
  return { canvas, placement: { scale, pad_x: (width - w * scale) / 2, pad_y: (height - h * scale) / 2 } };
}

/** Scale an image as Python's twin does: the same bytes. Returns R G B A, or an array's channels. */
export function resize(cv, image, height, width) {
  if (image.channels !== undefined) return resize_planes(cv, image, height, width);
  const from = new cv.Mat(image.height, image.width, cv.CV_8UC4);
  const to = new cv.Mat();
  try {
    from.data.set(image.data);
    cv.resize(from, to, new cv.Size(width, height), 0, 0, cv.INTER_LINEAR);
    return to.data.slice();
  } finally {
    from.delete();
    to.delete();
  }
}

/** Scale an array plane by plane: OpenCV does not scale every number of channels. */
function resize_planes(cv, { data, width: w, height: h, channels }, height, width) {
  const out = new Uint8Array(channels * height * width);
  const from = new cv.Mat(h, w, cv.CV_8UC1);
  const to = new cv.Mat();
  try {
    for (let c = 0; c < channels; c++) {
      const plane = from.data;
      for (let i = 0; i < plane.length; i++) plane[i] = data[i * channels + c];
      cv.resize(from, to, new cv.Size(width, height), 0, 0, cv.INTER_LINEAR);
      const scaled = to.data;
      for (let i = 0; i < scaled.length; i++) out[i * channels + c] = scaled[i];
    }
    return out;
  } finally {
    from.delete();
    to.delete();
  }
}

/**
 * Move boxes from canvas pixels to image pixels and clip them to the image [h, w].
 *
 * @param {Float32Array} xyxy (n, 4)
 * @returns {Float32Array} (n, 4) with 0 ≤ x ≤ w and 0 ≤ y ≤ h
 */
export function unletterbox(xyxy, { scale, pad_x, pad_y }, [h, w]) {
  return xyxy.map((edge, i) => {
    const moved = f32(f32(edge - f32(i % 2 ? pad_y : pad_x)) / f32(scale));
    return Math.min(Math.max(moved, 0), i % 2 ? h : w);
  });
}

/**
 * Turn a canvas, R G B A bytes, into the network's input: float32, RGB, 0 to 1.
 *
 * With fold 1 its shape is (1, 3, H, W). With fold f, each f × f square of pixels becomes one pixel of 3f²
 * channels, (1, 3f², H/f, W/f), as YOLOv5's Focus layer does for f = 2: colour c of the pixel (dx, dy) of a
 * square is channel (dx · f + dy) · 3 + c. H and W must be divisible by f.
 *
 * A canvas of `channels`, c, becomes (1, c, H, W) in their order; it is never folded.
 *
 * @param {Float32Array} out a blob of that shape to write to
 */
export function to_blob(canvas, fold = 1, out = null) {
  const { data, channels } = canvas;
  out ??= new Float32Array((channels ?? 3) * canvas.width * canvas.height);
  if (channels !== undefined) {
    const pixels = canvas.width * canvas.height;
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < pixels; i++) out[c * pixels + i] = UNIT[data[i * channels + c]];
    }
    return out;
  }
  const height = canvas.height / fold, width = canvas.width / fold;
  const plane = height * width;
  for (let dx = 0; dx < fold; dx++) {
    for (let dy = 0; dy < fold; dy++) {
      const red = (dx * fold + dy) * 3 * plane, green = red + plane, blue = green + plane;
      for (let y = 0, i = 0; y < height; y++) {
        let from = 4 * ((y * fold + dy) * canvas.width + dx);
        for (let x = 0; x < width; x++, i++, from += 4 * fold) {
          out[red + i] = UNIT[data[from]];
          out[green + i] = UNIT[data[from + 1]];
          out[blue + i] = UNIT[data[from + 2]];
        }
      }
    }
  }
  return out;
}
